//! What the kernel tells of interfaces and takes as socket options: the one unsafe file of the
//! live side.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// What the kernel says of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(libc::c_int);

impl Flags {
    /// Whether it is switched on.
    pub(crate) const fn is_up(self) -> bool {
        self.0 & libc::IFF_UP != 0
    }

    /// Whether it has a carrier.
    pub(crate) const fn is_running(self) -> bool {
        self.0 & libc::IFF_RUNNING != 0
    }

    /// Whether it leads to this host only.
    pub(crate) const fn is_loopback(self) -> bool {
        self.0 & libc::IFF_LOOPBACK != 0
    }
}

/// Work that an interface or its driver does on whole runs of packets, and by which frames on
/// this host differ from those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// The interface cuts large TCP packets (TSO).
    Segmentation,
    /// The kernel cuts them late (GSO).
    GenericSegmentation,
    /// Packets that arrive are joined (GRO).
    Receive,
}

/// A socket to ask about interfaces; it needs no privilege.
#[derive(Debug)]
pub(crate) struct Inquiry(OwnedFd);

impl Inquiry {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// Where sockets are forbidden altogether, or the table of open files is full.
    pub(crate) fn open() -> io::Result<Self> {
        let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
        Ok(Self(socket_with(family, kind, SocketFlags::CLOEXEC, None)?))
    }

    /// The interface's number; an error where there is no such interface (`any` is none).
    pub(crate) fn index(&self, interface: &str) -> io::Result<u32> {
        Ok(rustix::net::netdevice::name_to_index(&self.0, interface)?)
    }

    /// What it is and whether it is up.
    #[expect(unsafe_code, reason = "the answer is in a union")]
    pub(crate) fn flags(&self, interface: &str) -> io::Result<Flags> {
        let answer = self.ask(interface, libc::SIOCGIFFLAGS)?;
        // SAFETY: this request fills the flags; any bits are a valid value of theirs.
        let flags = unsafe { answer.ifr_ifru.ifru_flags };
        Ok(Flags(libc::c_int::from(flags)))
    }

    /// Largest packet that it sends, in bytes, without the link header.
    #[expect(unsafe_code, reason = "the answer is in a union")]
    pub(crate) fn mtu(&self, interface: &str) -> io::Result<u32> {
        let answer = self.ask(interface, libc::SIOCGIFMTU)?;
        // SAFETY: this request fills the MTU; any bits are a valid value of it.
        let mtu = unsafe { answer.ifr_ifru.ifru_mtu };
        Ok(u32::try_from(mtu).unwrap_or(0))
    }

    /// Its hardware type, one of the kernel's `ARPHRD` numbers.
    #[expect(unsafe_code, reason = "the answer is in a union")]
    pub(crate) fn hardware(&self, interface: &str) -> io::Result<u16> {
        let answer = self.ask(interface, libc::SIOCGIFHWADDR)?;
        // SAFETY: this request fills the hardware address, whose family is the type.
        Ok(unsafe { answer.ifr_ifru.ifru_hwaddr.sa_family })
    }

    /// Whether it does that work; an error where its driver does not say.
    #[expect(unsafe_code, reason = "the request points to its answer")]
    pub(crate) fn offload(&self, interface: &str, offload: Offload) -> io::Result<bool> {
        /// `struct ethtool_value` of the kernel.
        #[repr(C)]
        struct Value {
            command: u32,
            data: u32,
        }
        let command = match offload {
            Offload::Segmentation => 0x1e,
            Offload::GenericSegmentation => 0x23,
            Offload::Receive => 0x2b,
        };
        let mut value = Value { command, data: 0 };
        let mut request = request(interface)?;
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the request and the value it points to live through the call, have the layout
        // that the kernel reads and writes for these commands, and nobody else refers to them.
        check(unsafe {
            libc::ioctl(self.0.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request)
        })?;
        Ok(value.data != 0)
    }

    #[expect(unsafe_code, reason = "a request of the kernel with a pointer")]
    fn ask(&self, interface: &str, what: libc::c_ulong) -> io::Result<libc::ifreq> {
        let mut request = request(interface)?;
        // SAFETY: the requests that are made here read the name and fill the union of the
        // structure, which lives through the call.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), what as _, &raw mut request) })?;
        Ok(request)
    }
}

/// A request about an interface, its answer all zeros.
#[expect(unsafe_code, reason = "the structure of the C library has no constructor")]
fn request(interface: &str) -> io::Result<libc::ifreq> {
    // SAFETY: a structure of integers, bytes and a pointer, of which zeros are valid values.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = interface.as_bytes();
    // The last byte stays zero and ends the name.
    if name.len() >= request.ifr_name.len() || name.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name) {
        *place = byte.cast_signed() as libc::c_char;
    }
    Ok(request)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Keeps packets that go out from a packet socket. On the loopback interface each of them comes
/// in again, and its second copy would take half of the ring.
///
/// # Errors
///
/// Where the kernel does not know the option (before Linux 4.20).
#[expect(unsafe_code, reason = "a socket option that no crate wraps")]
pub(super) fn ignore_outgoing(socket: BorrowedFd<'_>) -> io::Result<()> {
    const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or_default();
    // SAFETY: the option's value is an integer of the given length that lives through the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            length,
        )
    })
}

impl std::fmt::Display for Offload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Segmentation => "TSO",
            Self::GenericSegmentation => "GSO",
            Self::Receive => "GRO",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known_and_others_are_not() {
        let inquiry = Inquiry::open().expect("a socket");
        let flags = inquiry.flags("lo").expect("every host has it");
        assert!(flags.is_loopback());
        assert!(inquiry.mtu("lo").expect("known") > 1000);
        assert_eq!(inquiry.hardware("lo").expect("known"), libc::ARPHRD_LOOPBACK);
        assert!(inquiry.index("lo").expect("known") > 0);
        assert!(inquiry.offload("lo", Offload::GenericSegmentation).is_ok());
        for name in ["", "no such one", "a name that is too long", "lo\0"] {
            assert!(inquiry.flags(name).is_err(), "{name}");
        }
    }
}
