//! Who has logged in, and until when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::config::Secret;

/// Logins at once; the one that would end first makes room.
const MAX: usize = 1_000;
/// Random bytes in a cookie.
const BYTES: usize = 32;

/// See the module. They are found by a keyed hash, whose time tells nothing about which ones there are.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) life: Duration,
    all: Mutex<HashMap<String, Session>>,
}

#[derive(Debug)]
struct Session {
    until: Instant,
    /// Dropped when the session ends before its time.
    ends: watch::Sender<()>,
}

/// A request of somebody who has logged in.
#[derive(Debug)]
pub(crate) struct Visit {
    until: Instant,
    ends: watch::Receiver<()>,
}

impl Visit {
    /// Done when the login is over, by time or by logging out.
    pub(crate) async fn over(mut self) {
        tokio::select! {
            () = sleep_until(self.until) => {}
            _ = self.ends.changed() => {}
        }
    }
}

impl Sessions {
    pub(crate) fn new(life: Duration) -> Self {
        Self { life, all: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all sessions.
    pub(crate) fn close_all(&self) {
        self.lock().clear();
    }

    /// Begins a session and gives what the cookie has to say.
    pub(crate) fn open(&self) -> Result<String, getrandom::Error> {
        let id = Secret::random(BYTES)?.reveal().to_owned();
        let now = Instant::now();
        let mut all = self.lock();
        all.retain(|_, session| session.until > now);
        if all.len() >= MAX
            && let Some(first) = all.iter().min_by_key(|(_, session)| session.until).map(|(id, _)| id.clone())
        {
            all.remove(&first);
        }
        all.insert(id.clone(), Session { until: now + self.life, ends: watch::channel(()).0 });
        Ok(id)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Visit> {
        let all = self.lock();
        let session = all.get(id).filter(|session| session.until > Instant::now())?;
        Some(Visit { until: session.until, ends: session.ends.subscribe() })
    }

    pub(crate) fn close(&self, id: &str) {
        self.lock().remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_time_or_by_logging_out_and_is_bounded() {
        let sessions = Sessions::new(Duration::from_secs(60));
        let (one, other) = (sessions.open().unwrap(), sessions.open().unwrap());
        assert!(sessions.find(&one).is_some() && sessions.find("nobody").is_none());
        let visit = sessions.find(&other).unwrap();
        sessions.close(&other);
        assert!(sessions.find(&other).is_none());
        tokio::time::timeout(Duration::from_secs(1), visit.over()).await.unwrap();

        let visit = sessions.find(&one).unwrap();
        tokio::time::timeout(Duration::from_secs(61), visit.over()).await.unwrap();
        assert!(sessions.find(&one).is_none());

        let first = sessions.open().unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        (0..MAX).for_each(|_| drop(sessions.open().unwrap()));
        assert!(sessions.find(&first).is_none());
        assert_eq!(sessions.lock().len(), MAX);
    }
}
