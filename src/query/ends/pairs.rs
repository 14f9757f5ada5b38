//! The exchanges of one pair of endpoints, seen by the client's host and by the server's: which
//! are the same.

use std::collections::{BTreeMap, HashMap};

use super::row::Row;

/// How two clocks are apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// What the server's shows when the client's shows 0, in nanoseconds.
    pub(super) apart: i64,
    /// How far that may be off, in nanoseconds.
    pub(super) slack: i64,
}

impl Clocks {
    /// Whether the server's copy lies inside the client's and is like it.
    fn fit(self, client: &Row, server: &Row) -> bool {
        let Self { apart, slack } = self;
        let from = client.start.saturating_add(apart).saturating_sub(slack);
        let until = client.end().saturating_add(apart).saturating_add(slack);
        client.is_complete()
            && server.is_complete()
            && client.content == server.content
            && from <= server.start
            && server.end() <= until
    }
}

/// What was found among the exchanges of one pair of endpoints.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Positions among those of the client's host and among those of the server's.
    pub(super) same: Vec<(usize, usize)>,
    /// Of the client's host: those that fit some exchange, and it is not certain which.
    pub(super) unsure: Vec<usize>,
}

/// Finds the same exchanges among the rows of both hosts, both in the order of their starts.
pub(super) fn same(clients: &[&Row], servers: &[&Row], clocks: Clocks) -> Found {
    let fits = fitting(clients, servers, clocks);
    let mut of_server: Vec<Vec<usize>> = vec![Vec::new(); servers.len()];
    for (client, all) in fits.iter().enumerate() {
        for &server in all {
            if let Some(of_server) = of_server.get_mut(server) {
                of_server.push(client);
            }
        }
    }
    let row = |rows: &[&Row], at: usize| rows.get(at).map(|row| (row.is_intact(), row.index));
    let mut by_index = BTreeMap::new();
    // Where both saw the connection from its first byte on, the index is the place on it.
    for (client, all) in fits.iter().enumerate() {
        let Some((true, index)) = row(clients, client) else { continue };
        let is_same = |&&server: &&usize| row(servers, server) == Some((true, index));
        let is_own = |&&other: &&usize| row(clients, other) == Some((true, index));
        if let [server] = all.iter().filter(is_same).collect::<Vec<_>>()[..]
            && let Some(others) = of_server.get(*server)
            && others.iter().filter(is_own).count() == 1
        {
            by_index.insert(client, *server);
        }
    }
    let taken: HashMap<usize, usize> = by_index.iter().map(|(&c, &s)| (s, c)).collect();
    let mut all = by_index.clone();
    // Elsewhere only what fits nothing else is certain, and only where nothing is known to be
    // missing right before it: the missing one might be the one that is meant.
    for (client, servers_that_fit) in fits.iter().enumerate() {
        let free = servers_that_fit.iter().filter(|server| !taken.contains_key(server));
        if !by_index.contains_key(&client)
            && let [&server] = free.collect::<Vec<_>>()[..]
            && let (Some(one), Some(other)) = (clients.get(client), servers.get(server))
            && !(one.is_intact() && other.is_intact())
            && one.is_next()
            && other.is_next()
            && of_server.get(server).is_some_and(|others| {
                others.iter().all(|other| *other == client || by_index.contains_key(other))
            })
        {
            all.insert(client, server);
        }
    }
    let same = in_order(&all, |client| by_index.contains_key(&client));
    let sure: std::collections::HashSet<usize> = same.iter().map(|(client, _)| *client).collect();
    let unsure = fits.iter().enumerate();
    let unsure = unsure.filter(|(client, all)| {
        let free = |server: &usize| !taken.contains_key(server);
        !sure.contains(client) && all.iter().any(free)
    });
    Found { unsure: unsure.map(|(client, _)| client).collect(), same }
}

/// Without those that pass over another one: a connection keeps its order at both ends.
fn in_order(
    all: &BTreeMap<usize, usize>,
    is_proven: impl Fn(usize) -> bool,
) -> Vec<(usize, usize)> {
    let mut latest = None;
    let mut kept = Vec::new();
    for (&client, &server) in all {
        let passes_over = latest.is_some_and(|latest| server < latest);
        kept.push((client, server, passes_over));
        latest = latest.max(Some(server));
    }
    let mut earliest = usize::MAX;
    for (_, server, passes_over) in kept.iter_mut().rev() {
        *passes_over |= *server > earliest;
        earliest = earliest.min(*server);
    }
    let kept = kept.into_iter().filter(|&(client, _, over)| !over || is_proven(client));
    kept.map(|(client, server, _)| (client, server)).collect()
}

/// For each exchange of the client's host, those of the server's that fit it.
fn fitting(clients: &[&Row], servers: &[&Row], clocks: Clocks) -> Vec<Vec<usize>> {
    let fitting_one = |client: &&Row| {
        let from = client.start.saturating_add(clocks.apart).saturating_sub(clocks.slack);
        let until = client.end().saturating_add(clocks.apart).saturating_add(clocks.slack);
        let first = servers.partition_point(|server| server.start < from);
        let inside = servers.iter().enumerate().skip(first);
        let inside = inside.take_while(|(_, server)| server.start <= until);
        inside.filter(|(_, server)| clocks.fit(client, server)).map(|(at, _)| at).collect()
    };
    clients.iter().map(fitting_one).collect()
}
