//! The interfaces that can be captured.

use std::fmt;
use std::net::IpAddr;

use crate::source::error::SourceError;
pub use crate::source::socket::Offload;
use crate::source::socket::{Flags, Inquiry};

/// An interface as `weir devices` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What `-i` takes.
    pub name: String,
    /// What libpcap knows of it; `None` for most.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether frames can come.
    pub status: Status,
    /// What its frames look like.
    pub link: Link,
}

/// Whether frames can come of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is up, and has a carrier where it needs one.
    Running,
    /// It is up without a carrier.
    Up,
    /// It is down: it cannot be captured.
    Down,
}

/// What the frames of an interface look like, as far as is known without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Ethernet, or what looks like it: wireless and virtual networks, the loopback interface.
    Ethernet,
    /// IP without a link header: tunnels.
    Raw,
    /// All interfaces at once, with the header that Linux makes for them.
    Cooked,
    /// Something else; most likely nothing that holds HTTP.
    Other,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ethernet => "Ethernet",
            Self::Raw => "raw IP",
            Self::Cooked => "Linux cooked",
            Self::Other => "other",
        })
    }
}

/// Every interface that libpcap offers, in its order: the likeliest first. It needs no
/// privilege.
///
/// # Errors
///
/// Where the system does not list its interfaces.
pub fn devices() -> Result<Vec<Device>, SourceError> {
    let listed = pcap::Device::list()
        .map_err(|error| SourceError::Devices { reason: crate::source::bpf::reason(&error) })?;
    let inquiry = Inquiry::open().ok();
    Ok(listed.into_iter().map(|device| describe(device, inquiry.as_ref())).collect())
}

fn describe(device: pcap::Device, inquiry: Option<&Inquiry>) -> Device {
    let status = match (device.flags.is_up(), device.flags.is_running()) {
        (true, true) => Status::Running,
        (true, false) => Status::Up,
        (false, _) => Status::Down,
    };
    let link = inquiry.map_or(Link::Other, |inquiry| link_of(&device.name, inquiry));
    Device {
        link,
        status,
        description: device.desc,
        addresses: device.addresses.iter().map(|address| address.addr).collect(),
        name: device.name,
    }
}

/// IP packets without a header, as some mobile networks have them.
const ARPHRD_RAWIP: u16 = 519;

/// What libpcap makes of the kernel's hardware types.
fn link_of(name: &str, inquiry: &Inquiry) -> Link {
    match inquiry.hardware(name) {
        Ok(libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK) => Link::Ethernet,
        Ok(
            libc::ARPHRD_NONE
            | ARPHRD_RAWIP
            | libc::ARPHRD_TUNNEL
            | libc::ARPHRD_TUNNEL6
            | libc::ARPHRD_SIT
            | libc::ARPHRD_IPGRE
            | libc::ARPHRD_PPP,
        ) => Link::Raw,
        Err(_) if name == "any" => Link::Cooked,
        Ok(_) | Err(_) => Link::Other,
    }
}

/// What the driver of an interface says of it; `None` where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Largest packet that it sends, in bytes, without the link header.
    pub mtu: Option<u32>,
    /// What it does on whole runs of packets.
    pub offloads: Vec<Offload>,
    /// Whether it has a carrier.
    pub is_running: Option<bool>,
    /// Whether it leads to this host only.
    pub is_loopback: Option<bool>,
}

/// What the driver of an interface says of it. It needs no privilege; of `any` nothing is known.
#[must_use]
pub fn hardware(interface: &str) -> Hardware {
    let Ok(inquiry) = Inquiry::open() else { return Hardware::default() };
    let offloads = [Offload::Segmentation, Offload::GenericSegmentation, Offload::Receive];
    let is_on = |offload: &Offload| inquiry.offload(interface, *offload).unwrap_or(false);
    let flags = inquiry.flags(interface).ok();
    Hardware {
        mtu: inquiry.mtu(interface).ok(),
        offloads: offloads.into_iter().filter(is_on).collect(),
        is_running: flags.map(Flags::is_running),
        is_loopback: flags.map(Flags::is_loopback),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_listed_and_described() {
        let listed = devices().expect("a list");
        // libpcap lists only what this user may open, in some versions.
        let Some(lo) = listed.iter().find(|device| device.name == "lo") else { return };
        assert_eq!(lo.link, Link::Ethernet);
        if let Some(any) = listed.iter().find(|device| device.name == "any") {
            assert_eq!(any.link, Link::Cooked);
        }
    }
}
