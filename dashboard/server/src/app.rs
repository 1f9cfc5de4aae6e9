//! What all parts of the server share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poolscope_wire::{Limit, Status, StoreFile, WIRE_VERSION};
use tokio::sync::{Notify, Semaphore};

use crate::access::Access;
use crate::clock::now_ms;
use crate::config::Config;
use crate::conn::{Files, Places};
use crate::control::Control;
use crate::live::Streams;
use crate::otlp::Intake;
use crate::own::{Counts, Ready};
use crate::prometheus;
use crate::store::Store;
use crate::trace::Traces;

/// Version of the server, told in every OTLP answer.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Shared state. The store's lock is held for as long as one request is applied or one answer is put together,
/// and never over an `await`.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) access: Access,
    pub(crate) counts: Counts,
    /// Files that are read again when they change.
    pub(crate) files: Files,
    /// The places of each listener, by its name.
    pub(crate) places: Vec<(&'static str, Arc<Places>)>,
    pub(crate) ready: Ready,
    pub(crate) streams: Streams,
    /// Rung when the store has changed.
    pub(crate) changed: Notify,
    /// Bodies of OTLP requests that are being read.
    pub(crate) intake: Intake,
    /// OTLP requests that may be decoded at once.
    pub(crate) admission: Semaphore,
    /// Orders for breakers, where they are offered.
    pub(crate) control: Option<Control>,
    /// Where the figures are asked from Prometheus.
    pub(crate) prometheus: Option<Arc<prometheus::State>>,
    pub(crate) otlp_grpc: String,
    pub(crate) otlp_http: String,
    started_ms: u64,
    store: Mutex<Store>,
    store_file: Mutex<Option<StoreFile>>,
    traces: Mutex<Traces>,
}

impl App {
    pub(crate) fn new(config: Config, access: Access, otlp_grpc: String, otlp_http: String) -> Self {
        let tls = [&config.tls.tls_cert, &config.tls.tls_key, &config.tls.otlp_client_ca];
        let limits = config.limits;
        let files = tls.into_iter().flatten().cloned().chain(access.files());
        Self {
            files: Files::new(files.collect()),
            access,
            counts: Counts::default(),
            places: Vec::new(),
            ready: Ready::default(),
            streams: Streams::new(config.limits.max_streams),
            changed: Notify::new(),
            intake: Intake::new(limits.max_requests.saturating_mul(limits.max_inflated_bytes)),
            admission: Semaphore::new(config.limits.max_requests.clamp(1, Semaphore::MAX_PERMITS)),
            control: config.access.allow_control.then(Control::default),
            prometheus: prometheus::State::new(&config.prometheus),
            otlp_grpc,
            otlp_http,
            started_ms: now_ms(),
            store: Mutex::new(Store::new(&config)),
            store_file: Mutex::new(None),
            traces: Mutex::new(Traces::new(&config)),
            config,
        }
    }

    /// The store. A panic under the lock leaves figures that may be off, and no reason to stop.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands with the file of the history; `None` if there shall be none.
    pub(crate) fn store_file(&self) -> MutexGuard<'_, Option<StoreFile>> {
        self.store_file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The traces, behind a lock of their own: who searches them holds up no metrics. So nobody waits for it who holds the
    /// store's.
    pub(crate) fn traces(&self) -> MutexGuard<'_, Traces> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bounds of the traces, which are asked for before the store is locked.
    pub(crate) fn trace_limits(&self) -> Vec<Limit> {
        self.traces().limits()
    }

    /// The server about itself.
    pub(crate) fn status(&self, store: &Store, trace_limits: Vec<Limit>, now_ms: u64) -> Status {
        let mut limits = store.limits();
        limits.extend(self.own_limits());
        limits.extend(trace_limits);
        Status {
            version: VERSION.to_owned(),
            wire_version: WIRE_VERSION,
            started_ms: self.started_ms,
            now_ms,
            retention_ms: self.config.retention_s * 1_000,
            otlp_grpc: self.otlp_grpc.clone(),
            otlp_http: self.otlp_http.clone(),
            prometheus: self.prometheus.as_ref().map(|state| state.status()),
            received: self.counts.received(),
            limits,
            streams: self.streams.open(),
            store_file: self.store_file().clone(),
            own: self.own(),
        }
    }

    /// One as a test has it, without listeners.
    #[cfg(test)]
    pub(crate) fn on_loopback(config: Config) -> Self {
        let here = |port| ([127, 0, 0, 1], port).into();
        let access = Access::new(&config, here(4320), [here(4317), here(4318)]).expect("nothing to refuse");
        Self::new(config, access, "http://g".into(), "http://h".into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_holds_the_store_waits_for_nobody_who_searches_traces() {
        let app = Arc::new(App::on_loopback(Config::default()));
        let limits = app.trace_limits();
        let searching = app.traces();
        let (done, is_done) = mpsc::channel();
        let teller = thread::spawn({
            let app = app.clone();
            move || done.send(app.status(&app.store(), limits, 1).limits.len())
        });
        let told = is_done.recv_timeout(Duration::from_secs(10));
        drop(searching);
        assert!(told.is_ok_and(|limits| limits > 0));
        teller.join().unwrap().unwrap();
    }
}
