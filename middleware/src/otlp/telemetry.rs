//! [`Telemetry`]: a running export, its thread and its end.

use std::sync::{Arc, mpsc as blocking};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use poolscope_semconv::value::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::config::{Config, MAX_DURATION};
use super::dropped::Dropped;
use super::error::OtlpError;
use super::events::EventLog;
use super::export::{Command, Exporter};
use super::{logs, resource, spans};
use crate::Scope;

/// Longest time that [`Telemetry::shutdown`], [`Telemetry::flush`] and dropping take.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Commands that may wait for the exporter; more come only from many flushes at once.
const MAX_COMMANDS: usize = 8;

/// A running export. Keep it for as long as the program runs; dropping it is [`Telemetry::shutdown`].
#[derive(Debug)]
#[must_use = "the export ends when it is dropped"]
pub struct Telemetry {
    tracer_provider: SdkTracerProvider,
    dropped: Dropped,
    /// `None` when it is disabled or has ended.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    logger_provider: SdkLoggerProvider,
    /// Where the scope's listener finds the logger until the end.
    logger: Arc<SdkLogger>,
    commands: mpsc::Sender<Command>,
}

impl Telemetry {
    /// Exports nothing.
    pub(super) fn off() -> Self {
        Self { tracer_provider: spans::off(), dropped: Dropped::default(), running: None }
    }

    pub(super) fn start(scope: &Scope, config: &Config) -> Result<Self, OtlpError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(OtlpError::Thread)?;
        match Self::start_in(&runtime, scope, config) {
            Ok((telemetry, exporter, commands)) => {
                let main = move || run(runtime, exporter, commands);
                let thread = thread::Builder::new().name("poolscope-otlp".to_owned()).spawn(main);
                thread.map_err(OtlpError::Thread)?;
                telemetry.connect(scope);
                scope.want_exemplars(config.exemplars);
                Ok(telemetry)
            }
            Err(error) => {
                // Dropping it would wait, which is forbidden where the caller is in a runtime of its own.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    fn start_in(
        runtime: &Runtime,
        scope: &Scope,
        config: &Config,
    ) -> Result<(Self, Exporter, mpsc::Receiver<Command>), OtlpError> {
        let _context = runtime.enter();
        let dropped = Dropped::default();
        let resource = resource::resource(&config.attributes);
        let message = ResourceMessage {
            attributes: resource
                .iter()
                .map(|(key, value)| KeyValue {
                    key: key.to_string(),
                    value: Some(value.clone().into()),
                    ..KeyValue::default()
                })
                .collect(),
            ..ResourceMessage::default()
        };
        let exporter = Exporter::new(scope.clone(), message, dropped.clone(), config)?;
        let logger_provider = logs::provider(config, resource.clone(), &dropped)?;
        let tracer_provider = spans::provider(config, resource, &dropped)?;
        let (sender, commands) = mpsc::channel(MAX_COMMANDS);
        let running =
            Running { logger: Arc::new(logs::logger(&logger_provider)), logger_provider, commands: sender };
        Ok((Self { tracer_provider, dropped, running: Some(running) }, exporter, commands))
    }

    /// Lets the scope's spans and events come here. Neither holds the scope, so nothing holds itself.
    fn connect(&self, scope: &Scope) {
        scope.tracing().set(&self.tracer_provider);
        if let Some(running) = &self.running {
            scope.listen(EventLog(Arc::downgrade(&running.logger)));
            scope.flush_at_end(self.flusher(running));
        }
    }

    /// The provider of spans, for everything else in the program that makes some: `tracing-opentelemetry` takes a tracer
    /// from it, and `opentelemetry::global::set_tracer_provider` takes a clone.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.tracer_provider
    }

    /// Items of a signal that are known to be lost: exports of metrics, spans, events.
    #[must_use]
    pub fn dropped(&self, signal: Signal) -> u64 {
        self.dropped.get(signal)
    }

    /// Sends what there is now, all three signals. Blocks for at most [`DEFAULT_SHUTDOWN_TIMEOUT`] a signal.
    pub fn flush(&self) {
        if let Some(running) = &self.running {
            self.flusher(running).flush();
        }
    }

    fn flusher(&self, running: &Running) -> Flush {
        Flush {
            tracer_provider: self.tracer_provider.clone(),
            logger_provider: running.logger_provider.clone(),
            commands: running.commands.clone(),
        }
    }

    /// Sends what is left and ends the export. Blocks for at most [`DEFAULT_SHUTDOWN_TIMEOUT`].
    ///
    /// Inside of a runtime with one thread nothing else runs meanwhile, not even a receiver in the same runtime; where that
    /// matters, call it in `tokio::task::spawn_blocking`.
    pub fn shutdown(self) {
        self.shutdown_within(DEFAULT_SHUTDOWN_TIMEOUT);
    }

    /// Like [`Telemetry::shutdown`], with another limit.
    pub fn shutdown_within(mut self, limit: Duration) {
        self.end(limit);
    }

    fn end(&mut self, limit: Duration) {
        let Some(running) = self.running.take() else { return };
        let deadline = Instant::now() + limit.min(MAX_DURATION);
        drop(running.logger);
        let (done, metrics_are_sent) = blocking::channel();
        let (release, released) = oneshot::channel();
        let finish = Command::Finish { deadline: deadline.into(), done, released };
        let _ = running.commands.try_send(finish);
        // All three at once, so that a silent receiver of one signal takes no time from the others.
        thread::scope(|scope| {
            let events = || running.logger_provider.shutdown_with_timeout(remaining(deadline));
            if thread::Builder::new().spawn_scoped(scope, events).is_err() {
                // No thread is to be had, so they go one after the other.
                let _ = events();
            }
            let _ = self.tracer_provider.shutdown_with_timeout(remaining(deadline));
            let _ = metrics_are_sent.recv_timeout(remaining(deadline));
        });
        let _ = release.send(());
    }
}

/// Sends what there is of a running export; nothing of one that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Flush {
    tracer_provider: SdkTracerProvider,
    logger_provider: SdkLoggerProvider,
    commands: mpsc::Sender<Command>,
}

impl Flush {
    pub(crate) fn flush(&self) {
        let deadline = Instant::now() + DEFAULT_SHUTDOWN_TIMEOUT;
        let (done, metrics_are_sent) = blocking::channel();
        let _ = self.commands.try_send(Command::Flush { deadline: deadline.into(), done });
        // Each of the two has a limit of its own in the SDK; what fails is counted by the exporters.
        let _ = self.tracer_provider.force_flush();
        let _ = self.logger_provider.force_flush();
        let _ = metrics_are_sent.recv_timeout(remaining(deadline));
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.end(DEFAULT_SHUTDOWN_TIMEOUT);
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// The thread's work. Everything that the event loop does is polled here, so none of it is observed as the application's.
fn run(runtime: Runtime, exporter: Exporter, commands: mpsc::Receiver<Command>) {
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    runtime.block_on(exporter.run(commands));
    // A name that is being looked up must not keep the thread.
    runtime.shutdown_background();
}
