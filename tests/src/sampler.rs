//! Compares the books of a scope with the kernel's table again and again, from a thread of its own, so that it goes on
//! when a runtime has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use poolscope::{Scope, ScopeSnapshot};

use crate::kernel;

/// Time from one sample to the next.
pub const PERIOD: Duration = Duration::from_millis(100);

/// Time within which the books have to follow the kernel.
pub const REPORTED_WITHIN: Duration = Duration::from_millis(250);

/// Compares for as long as it lives.
#[derive(Debug)]
pub struct Sampler {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<io::Result<Findings>>,
}

/// What a sampler has seen.
#[derive(Debug, Default)]
pub struct Findings {
    /// Samples at which nothing was going on, so that books and kernel had to agree.
    pub quiet: u64,
    /// Where they did not agree for longer than [`REPORTED_WITHIN`].
    pub disagreements: Vec<Disagreement>,
}

/// A connection that only one of the two knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement {
    /// Our end of the connection.
    pub local: SocketAddr,
    /// Who knows it.
    pub known_to: KnownTo,
    /// How long they had disagreed.
    pub lasted: Duration,
}

/// Who has a connection in its table that the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KnownTo {
    /// Only the books: it is closed and they do not know.
    Books,
    /// Only the kernel: it is open and the books do not know.
    Kernel,
}

impl Sampler {
    /// Begins to compare the open connections of all pools of a scope with the kernel's connections to the peers, which
    /// are all that the scope's clients connect to and nobody else of this machine does.
    #[must_use]
    pub fn start(scope: &Scope, peers: &[SocketAddr]) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (scope, peers) = (scope.clone(), peers.to_vec());
        let thread = thread::spawn(move || {
            let mut comparison = Comparison::default();
            loop {
                let last = stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout);
                comparison.sample(&scope, &peers)?;
                if last {
                    return Ok(comparison.findings);
                }
            }
        });
        Self { stop, thread }
    }

    /// Takes a last sample and tells what was seen.
    ///
    /// # Errors
    /// If the kernel's table can't be read.
    ///
    /// # Panics
    /// If the thread did.
    pub fn finish(self) -> io::Result<Findings> {
        drop(self.stop);
        self.thread.join().expect("the sampler does not panic")
    }
}

#[derive(Debug, Default)]
struct Comparison {
    /// Since when each connection has been in one table only.
    since: BTreeMap<(SocketAddr, KnownTo), Instant>,
    findings: Findings,
}

impl Comparison {
    fn sample(&mut self, scope: &Scope, peers: &[SocketAddr]) -> io::Result<()> {
        let before = scope.snapshot();
        let mut held = BTreeSet::new();
        for peer in peers {
            held.extend(kernel::held_to(*peer)?);
        }
        let after = scope.snapshot();
        // The table is not read in an instant: what moved meanwhile can't be compared.
        let Some(open) = open_if_quiet(&before).filter(|open| open_if_quiet(&after).as_ref() == Some(open))
        else {
            return Ok(());
        };
        self.findings.quiet += 1;
        let only_books = open.difference(&held).map(|local| (*local, KnownTo::Books));
        let only_kernel = held.difference(&open).map(|local| (*local, KnownTo::Kernel));
        self.compare(only_books.chain(only_kernel).collect(), Instant::now());
        Ok(())
    }

    fn compare(&mut self, apart: Vec<(SocketAddr, KnownTo)>, now: Instant) {
        self.since.retain(|known, _| apart.contains(known));
        for (local, known_to) in apart {
            let lasted = now - *self.since.entry((local, known_to)).or_insert(now);
            if lasted > REPORTED_WITHIN {
                let found = &mut self.findings.disagreements;
                match found.iter_mut().find(|found| (found.local, found.known_to) == (local, known_to)) {
                    Some(found) => found.lasted = lasted,
                    None => found.push(Disagreement { local, known_to, lasted }),
                }
            }
        }
    }
}

/// Our ends of all open connections; `None` while something is going on.
fn open_if_quiet(snapshot: &ScopeSnapshot) -> Option<BTreeSet<SocketAddr>> {
    let is_quiet = snapshot.pools.iter().all(|pool| pool.pending() == 0 && pool.in_flight() == 0);
    is_quiet
        .then(|| snapshot.pools.iter().flat_map(|pool| &pool.open).filter_map(|open| open.local).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_the_books_do_not_know_is_found_once_and_only_while_it_is_open() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let sampler = Sampler::start(&Scope::new(), &[server]);
        let client = std::net::TcpStream::connect(server).unwrap();
        let local = client.local_addr().unwrap();
        thread::sleep(REPORTED_WITHIN + 4 * PERIOD);
        drop(client);
        let findings = sampler.finish().unwrap();
        let found: Vec<_> =
            findings.disagreements.iter().map(|found| (found.local, found.known_to)).collect();
        assert_eq!(found, [(local, KnownTo::Kernel)]);
        assert!(findings.quiet > 1, "{findings:?}");
    }

    #[test]
    fn a_short_disagreement_is_forgiven_and_a_new_one_starts_anew() {
        let mut comparison = Comparison::default();
        let apart = vec![("127.0.0.1:1".parse().unwrap(), KnownTo::Books)];
        let start = Instant::now();
        comparison.compare(apart.clone(), start);
        comparison.compare(Vec::new(), start + REPORTED_WITHIN);
        comparison.compare(apart.clone(), start + REPORTED_WITHIN * 2);
        assert!(comparison.findings.disagreements.is_empty());
        comparison.compare(apart, start + REPORTED_WITHIN * 4);
        assert_eq!(comparison.findings.disagreements.len(), 1);
    }
}
