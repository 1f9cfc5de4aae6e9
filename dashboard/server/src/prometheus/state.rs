//! How the questions go, for the About page and the notice, and what they taught.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use poolscope_wire::PrometheusStatus;

use super::askers::{Asker, Askers};
use super::config::{DataSource, Prometheus, PrometheusUrl};
use super::older::Older;
use super::picture::Label;
use super::problem::Problem;

/// Senders whose labels are remembered; beyond, all are learned anew.
const MAX_SENDERS: usize = 10_000;

/// A service and an instance of it.
type Sender = (Box<str>, Box<str>);

/// Changed by the poller, read by whoever answers browsers.
#[derive(Debug)]
pub(crate) struct State {
    status: Mutex<PrometheusStatus>,
    /// By service and instance, the labels that tell them.
    senders: Mutex<HashMap<Sender, Vec<Label>>>,
    older: OnceLock<Older>,
    askers: Askers,
}

impl State {
    /// `None` where Prometheus is not the source.
    pub(crate) fn new(config: &Prometheus) -> Option<Arc<Self>> {
        if config.source != DataSource::Prometheus {
            return None;
        }
        let url = config.prometheus_url.as_ref().map_or("", PrometheusUrl::as_str).to_owned();
        let interval_s = config.prometheus_interval_s;
        let status = PrometheusStatus { url, interval_s, ..PrometheusStatus::default() };
        let (senders, older, askers) = (Mutex::default(), OnceLock::new(), Askers::default());
        Some(Arc::new(Self { status: Mutex::new(status), senders, older, askers }))
    }

    /// As it is now.
    pub(crate) fn status(&self) -> PrometheusStatus {
        lock(&self.status).clone()
    }

    /// A place for a browser that wants to know what Prometheus has.
    pub(crate) fn asker(&self, from: IpAddr) -> Result<Asker<'_>, Problem> {
        self.askers.enter(from).ok_or(Problem::Busy)
    }

    /// Who asks for what is older; `None` until the poller is made.
    pub(super) fn older(&self) -> Option<&Older> {
        self.older.get()
    }

    /// Sets who asks for what is older; once.
    pub(super) fn set_older(&self, older: Older) {
        // There is one poller for a state.
        let _ = self.older.set(older);
    }

    /// Learns by which labels a sender is told.
    pub(super) fn learn(&self, (service, instance): (&str, &str), labels: &[Label]) {
        let mut senders = lock(&self.senders);
        if senders.len() >= MAX_SENDERS {
            senders.clear();
        }
        senders.insert((service.into(), instance.into()), labels.to_vec());
    }

    /// The labels by which a sender is told.
    pub(super) fn labels(&self, service: &str, instance: &str) -> Option<Vec<Label>> {
        lock(&self.senders).get(&(service.into(), instance.into())).cloned()
    }

    /// An answer came and was used.
    pub(super) fn answered(&self, change: impl FnOnce(&mut PrometheusStatus)) {
        let mut status = lock(&self.status);
        status.questions += 1;
        change(&mut status);
    }

    /// All that was asked for is there.
    pub(super) fn well(&self, now_ms: u64, notices: Vec<String>) {
        let mut status = lock(&self.status);
        status.notices = notices;
        status.answered_ms = Some(now_ms);
        status.problem = None;
        status.problem_since_ms = None;
    }

    /// Something is wrong; since when is told of the first that is.
    pub(super) fn failed(&self, problem: String, now_ms: u64) {
        let mut status = lock(&self.status);
        status.questions += 1;
        status.failures += 1;
        status.problem_since_ms.get_or_insert(now_ms);
        status.problem = Some(problem);
        // They said what it has, and that is not known now.
        status.notices.clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_it_does_not_answer_nothing_is_said_of_what_it_has() {
        let config = Prometheus { source: DataSource::Prometheus, ..Prometheus::default() };
        let state = State::new(&config).unwrap();
        state.well(1_000, vec!["Prometheus answers, and has no series".to_owned()]);
        assert_eq!(state.status().notices.len(), 1);
        state.failed("it can't be reached".to_owned(), 2_000);
        let status = state.status();
        assert!(status.notices.is_empty() && status.problem_since_ms == Some(2_000), "{status:?}");
        state.failed("it can't be reached".to_owned(), 3_000);
        state.well(4_000, Vec::new());
        assert_eq!(state.status().problem, None);
    }
}
