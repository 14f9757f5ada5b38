//! Which captures the segments of a store are of, and which of them can have seen the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use crate::limits::CLOCKS_APART_NS_MAX;
use crate::packet::Endpoint;
use crate::segment::{Segment, SegmentError, Store};
use crate::time::Timestamp;

/// A capture: where, of what, and how it was configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vantage {
    /// Name of the host.
    pub host: String,
    /// The interfaces or files that were read.
    pub source: String,
    /// What of them was kept.
    pub configuration: String,
}

/// A segment that was met: whose it is and when its exchanges start.
#[derive(Clone, Debug)]
pub(in crate::query) struct Sighting {
    at: usize,
    vantage: Vantage,
    started_at: Timestamp,
    span: (i64, i64),
}

impl Sighting {
    /// Of the store's segment at that position; `None` where it does not say whose it is, as
    /// what is read on the spot.
    pub(in crate::query) fn of(
        at: usize,
        segment: &Segment,
        (first, last): (Timestamp, Timestamp),
    ) -> Option<Self> {
        let about = segment.about();
        let vantage = Vantage {
            host: about.host.clone(),
            source: about.source.clone(),
            configuration: about.configuration.clone(),
        };
        let span = (first.as_nanos(), last.as_nanos());
        let is_told = !vantage.host.is_empty() && !vantage.source.is_empty();
        is_told.then_some(Self { at, vantage, started_at: about.started_at, span })
    }
}

/// Servers that a capture saw; `None`: it may have seen any.
type Servers = Option<HashSet<Endpoint>>;

/// The segments of one capture that reach into the time of another.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) vantage: Vantage,
    /// Positions in the store.
    pub(super) segments: Vec<usize>,
    /// Which places it shares servers with.
    pub(super) partners: Vec<u32>,
    servers: Servers,
    /// The servers of its partners.
    wanted: Servers,
}

impl Place {
    /// Whether an exchange with that server can have another copy.
    pub(super) fn wants(&self, server: Endpoint) -> bool {
        is_of_network(server) && self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&server))
    }
}

/// Whether the address means the same host everywhere: those of loopback and of a single link
/// mean another one on each.
fn is_of_network(server: Endpoint) -> bool {
    match server.ip() {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

/// The captures that can have seen the same exchanges: those of other hosts, interfaces, files or
/// configurations at the same time, with servers in common. Empty for the segments of one
/// capture, of which nothing is read for it.
pub(super) fn places(
    store: &Store,
    mut sightings: Vec<Sighting>,
) -> Result<Vec<Place>, SegmentError> {
    sightings.sort_unstable_by_key(|sighting| sighting.at);
    let overlapping = overlapping(&sightings);
    let mut places = Vec::new();
    for (vantage, segments) in overlapping {
        let mut place = Place {
            vantage,
            segments: Vec::new(),
            partners: Vec::new(),
            servers: Some(HashSet::new()),
            wanted: Some(HashSet::new()),
        };
        for at in segments {
            let Some(segment) = store.segment_briefly(at).transpose()? else { continue };
            let servers = segment.servers()?;
            place.segments.push(at);
            place.servers = place.servers.zip(servers).map(|(mut all, servers)| {
                all.extend(servers.into_iter().filter(|&server| is_of_network(server)));
                all
            });
        }
        places.push(place);
    }
    meet(&mut places);
    Ok(places)
}

/// By capture, the segments that reach into the time of another capture.
fn overlapping(sightings: &[Sighting]) -> Vec<(Vantage, Vec<usize>)> {
    // Two segments of one capture never begin at the same time: the second one is a copy of the
    // first, and counts as another capture.
    let mut begun: HashMap<(&Vantage, Timestamp), usize> = HashMap::new();
    let mut captures: BTreeMap<(&Vantage, usize), Vec<&Sighting>> = BTreeMap::new();
    for sighting in sightings {
        let copies = begun.entry((&sighting.vantage, sighting.started_at)).or_default();
        captures.entry((&sighting.vantage, *copies)).or_default().push(sighting);
        *copies += 1;
    }
    if captures.len() < 2 {
        return Vec::new();
    }
    let apart = i64::try_from(CLOCKS_APART_NS_MAX).unwrap_or(i64::MAX);
    let reaches: Vec<Vec<(i64, i64)>> = captures.values().map(|seen| reach(seen)).collect();
    let mut found = Vec::new();
    for (number, ((vantage, _), seen)) in captures.iter().enumerate() {
        let meets = |sighting: &&&Sighting| {
            let (first, last) = sighting.span;
            let (first, last) = (first.saturating_sub(apart), last.saturating_add(apart));
            let others = reaches.iter().enumerate().filter(|(other, _)| *other != number);
            others.into_iter().any(|(_, reach)| {
                let begun = reach.partition_point(|(start, _)| *start <= last);
                let latest = begun.checked_sub(1).and_then(|before| reach.get(before));
                latest.is_some_and(|(_, end)| *end >= first)
            })
        };
        let segments: Vec<usize> = seen.iter().filter(meets).map(|sighting| sighting.at).collect();
        if !segments.is_empty() {
            found.push(((*vantage).clone(), segments));
        }
    }
    found
}

/// Starts of segments in order, each with the latest end so far.
fn reach(seen: &[&Sighting]) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = seen.iter().map(|sighting| sighting.span).collect();
    spans.sort_unstable();
    let mut latest = i64::MIN;
    for (_, end) in &mut spans {
        latest = latest.max(*end);
        *end = latest;
    }
    spans
}

/// Tells each place which others share servers with it.
fn meet(places: &mut [Place]) {
    let mut meetings = Vec::new();
    for (one, place) in (0_u32..).zip(places.iter()) {
        for (other, partner) in (0_u32..).zip(places.iter()) {
            let shares = match (&place.servers, &partner.servers) {
                (Some(all), Some(servers)) => !all.is_disjoint(servers),
                (None, _) | (_, None) => true,
            };
            if one != other && shares {
                meetings.push((one, other, partner.servers.clone()));
            }
        }
    }
    for (one, other, servers) in meetings {
        if let Some(place) = places.get_mut(one as usize) {
            place.partners.push(other);
            let wanted = place.wanted.take();
            place.wanted = wanted.zip(servers).map(|(mut wanted, servers)| {
                wanted.extend(servers);
                wanted
            });
        }
    }
}
