//! When the kernel received what is read from a socket: the unsafe file of this client.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;

/// Room for what comes beside the bytes: one `cmsghdr` and its `timespec`, aligned for both.
type Beside = [u64; 8];

/// Asks the kernel to tell, with what is read, when it came (socket(7), `SO_TIMESTAMPNS`).
///
/// # Errors
///
/// Where the kernel refuses the option.
#[expect(unsafe_code, reason = "a socket option that no crate wraps")]
pub(crate) fn ask_for(stream: &TcpStream) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or_default();
    // SAFETY: the option's value is an integer of the given length that lives through the call.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            length,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads what is there: how many bytes, and when the last packet of them entered this host, in
/// nanoseconds since the Unix epoch; `None` where the kernel has not said.
///
/// # Errors
///
/// Those of recvmsg(2), `WouldBlock` where there is nothing to read.
#[expect(unsafe_code, reason = "no crate here reads the stamps that come beside the bytes")]
pub(crate) fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Option<i64>)> {
    let mut bytes = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut beside: Beside = [0; 8];
    // SAFETY: a structure of integers and pointers, of which zeros are valid values.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut bytes;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut beside).cast();
    message.msg_controllen = size_of::<Beside>() as _;
    // SAFETY: the message points to two buffers with their lengths, which live through the call
    // and which nobody else refers to.
    let read = unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has filled the message, whose `beside` still lives and is aligned for the
    // headers in it; a header of this level and type is followed by a `timespec`, which is read
    // wherever it lies.
    let at = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let is_stamp = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_TIMESTAMPNS;
        is_stamp.then(|| libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned())
    };
    Ok((read, at.map(|at| at.tv_sec * 1_000_000_000 + at.tv_nsec)))
}
