//! [`Worker`]: the monitor's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::clock::Instant;

use rustix::io::Errno;

use super::{Entry, Monitor, Watcher};
use crate::kernel::diag::{self, Message, Report, Socket, TcpState};
use crate::kernel::ending::{Fate, Gone};
use crate::kernel::lookups::{Answer, BATCH, BUFFER_LEN, Lookups};

/// Time between two sweeps over what is watched.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);
/// Time between two sweeps for each connection that is watched: above 4,000 sweeps become rarer, so that asking, some 3 us a
/// connection, never takes more than about 0.6% of a core.
const SWEEP_INTERVAL_EACH: Duration = Duration::from_micros(500);
/// How long an end that the sweep found waits for the message about it, which knows more, and may be on its way: the kernel
/// sends it from a queue, and only when the other side has acknowledged the FIN.
const GRACE: Duration = Duration::from_millis(250);
/// Pause after an error that is not expected, so that one that lasts does not keep a core busy. The sweep goes on.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Worker {
    monitor: Arc<Monitor>,
    lookups: Lookups,
    buffer: Vec<u8>,
    next_sweep: Instant,
    /// True once messages were lost, until the sweep that makes up for it.
    lost: bool,
    /// Ends that a sweep found and that no message told yet.
    found: Vec<(u64, Gone)>,
    /// When to tell them.
    tell_found: Instant,
}

impl Worker {
    pub(super) fn new(monitor: Arc<Monitor>, lookups: Lookups) -> Self {
        let now = Instant::now();
        Self {
            monitor,
            lookups,
            buffer: vec![0; BUFFER_LEN],
            next_sweep: now,
            lost: false,
            found: Vec::new(),
            tell_found: now,
        }
    }

    pub(super) fn run(mut self) {
        self.rest();
        loop {
            let is_empty = self.receive();
            let now = Instant::now();
            if !self.found.is_empty() && now >= self.tell_found {
                self.tell_found();
            }
            // The kernel goes on losing messages, silently, until the last one that it kept is read: only after that a
            // sweep finds everything.
            if (is_empty && self.lost) || now >= self.next_sweep {
                self.lost &= !is_empty;
                self.sweep();
            } else if is_empty {
                self.wait();
            }
        }
    }

    fn wait(&self) {
        let until =
            if self.found.is_empty() { self.next_sweep } else { self.next_sweep.min(self.tell_found) };
        if self.monitor.events.wait(until).is_err() {
            thread::sleep(ERROR_PAUSE);
        }
    }

    /// Sleeps while nothing is watched.
    fn rest(&mut self) {
        while self.monitor.state().resting {
            thread::park();
        }
        self.next_sweep = Instant::now() + SWEEP_INTERVAL;
    }

    /// Tells the ends that the next messages are about, up to a batch of messages. True if there are no more.
    fn receive(&mut self) -> bool {
        let mut ended = Vec::new();
        let mut is_empty = false;
        for _ in 0..BATCH {
            match self.monitor.events.receive(&mut self.buffer) {
                Ok(received) => {
                    for (_, message) in diag::messages(received) {
                        let Message::Socket(last) = message else { continue };
                        ended.extend(self.monitor.take(last.socket.cookie).map(|entry| (entry, last)));
                    }
                }
                Err(Errno::NOBUFS) => {
                    self.monitor.overflows.fetch_add(1, Ordering::Relaxed);
                    self.lost = true;
                }
                Err(error) => {
                    if error != Errno::AGAIN {
                        thread::sleep(ERROR_PAUSE);
                    }
                    is_empty = true;
                    break;
                }
            }
        }

        let at = Instant::now();
        let answers = self.ask(ended.iter().map(|(entry, _)| &**entry));
        for ((entry, last), answer) in ended.iter().zip(answers) {
            entry.tell(|watcher| watcher.gone(answer.after(last, at)));
        }
        is_empty
    }

    /// Asks about everything that is watched, and forgets what nobody watches any more.
    fn sweep(&mut self) {
        let entries = self.monitor.entries();
        if entries.is_empty() {
            return self.rest();
        }
        for batch in entries.chunks(BATCH) {
            let answers = self.ask(batch.iter().map(|entry| &**entry));
            let at = Instant::now();
            for (entry, answer) in batch.iter().zip(answers) {
                match answer.fate(at) {
                    Fate::Open(Report { info: Some(info), state, .. }) => {
                        entry.tell(|watcher| watcher.seen(info, state == TcpState::CLOSE_WAIT));
                    }
                    Fate::Gone(gone) => {
                        if self.found.is_empty() {
                            self.tell_found = at + GRACE;
                        }
                        self.found.push((entry.socket.cookie, gone));
                    }
                    Fate::Open(_) | Fate::Unknown(_) => {}
                }
            }
            // Messages must not wait for a long sweep.
            self.receive();
        }
        let interval = SWEEP_INTERVAL.max(SWEEP_INTERVAL_EACH * entries.len() as u32);
        self.next_sweep = Instant::now() + interval;
    }

    /// Tells the ends for which no message came in time.
    fn tell_found(&mut self) {
        for (cookie, gone) in self.found.drain(..) {
            if let Some(entry) = self.monitor.take(cookie) {
                entry.tell(|watcher| watcher.gone(gone));
            }
        }
    }

    /// One answer for each of up to a batch of connections.
    fn ask<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) -> Vec<Answer> {
        let sockets: Vec<Socket> = entries.map(|entry| entry.socket).collect();
        if sockets.is_empty() {
            return Vec::new();
        }
        match self.lookups.ask_all(&sockets) {
            Ok(answers) => answers,
            Err(error) => vec![Answer::Failed(error); sockets.len()],
        }
    }
}

impl Entry {
    fn tell(&self, tell: impl Fn(&dyn Watcher)) {
        let tell = &tell;
        for watcher in self.watchers.iter().filter_map(Weak::upgrade) {
            // A panic, of which the panic hook tells, must not end the thread. The watcher is dropped inside too, since this
            // may be the last to hold it.
            let _ = catch_unwind(AssertUnwindSafe(move || {
                tell(&*watcher);
                drop(watcher);
            }));
        }
    }
}

impl Monitor {
    /// Stops watching a socket.
    fn take(&self, cookie: u64) -> Option<Arc<Entry>> {
        self.state().watched.remove(&cookie)
    }

    /// What is watched, without what nobody watches any more. If that is nothing, messages are no longer asked for.
    fn entries(&self) -> Vec<Arc<Entry>> {
        let mut state = self.state();
        let watched = &mut state.watched;
        watched.retain(|_, entry| entry.watchers.iter().any(|watcher| watcher.strong_count() > 0));
        if watched.capacity() / 8 > watched.len() {
            watched.shrink_to_fit();
        }
        let entries: Vec<_> = watched.values().cloned().collect();
        state.resting = entries.is_empty() && self.events.unsubscribe().is_ok();
        entries
    }
}
