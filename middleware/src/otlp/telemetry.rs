//! [`Telemetry`]: a running export and its end.

use std::convert::Infallible;
use std::sync::{Arc, Weak, mpsc as blocking};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_sdk::logs::SdkLogger;
use opentelemetry_sdk::trace::SdkTracerProvider;
use poolscope_semconv::value::Signal;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::command::{Command, Done};
use super::config::Config;
use super::dropped::{Dropped, Lost};
use super::env::MAX_DURATION;
use super::error::OtlpError;
use super::pool_events::PoolEvents;
use super::spans;
use super::workers::{self, Parts};
use crate::Scope;
use crate::export::{EventLog, FlushAtEnd};

/// Longest time that [`Telemetry::shutdown`], [`Telemetry::flush`] and dropping take.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A thread that blocks gives up this much later than the export, which ends in time by itself.
const GRACE: Duration = Duration::from_millis(250);

/// What an export does beside the three signals.
pub(super) struct Extras {
    pub(super) pool_events: PoolEvents,
    #[cfg(feature = "control")]
    pub(super) control: Option<super::control::Control>,
}

/// A running export. Keep it for as long as the program runs; dropping it is [`Telemetry::shutdown`].
#[derive(Debug)]
#[must_use = "the export ends when it is dropped"]
pub struct Telemetry {
    tracer_provider: SdkTracerProvider,
    dropped: Dropped,
    /// `None` when it is disabled or has ended.
    running: Option<Flush>,
}

impl Telemetry {
    /// Exports nothing.
    pub(super) fn off() -> Self {
        Self { tracer_provider: spans::off(), dropped: Dropped::default(), running: None }
    }

    pub(super) fn start(scope: &Scope, config: &Config, extras: &Extras) -> Result<Self, OtlpError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(OtlpError::Thread)?;
        let (sender, commands) = mpsc::unbounded_channel();
        let flush = Flush { commands: sender };
        let dropped = Dropped::default();
        let parts = {
            let _context = runtime.enter();
            workers::prepare(scope, config, extras, &dropped, &flush)
        };
        let pool_events = extras.pool_events;
        let Parts {
            workers,
            tracer_provider,
            logger,
            audience,
            #[cfg(feature = "control")]
            control,
        } = match parts {
            Ok(parts) => parts,
            Err(error) => {
                // Dropping it would wait, which is forbidden where the caller is in a runtime of its own.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        #[cfg(feature = "control")]
        if let Some(control) = control {
            runtime.spawn(control.run());
        }
        if let Some(logger) = logger.as_ref().filter(|_| pool_events.max_connections > 0) {
            runtime.spawn(pool_events.run(scope.clone(), Weak::clone(logger), audience, config.interval));
        }
        let main = move || workers::run(runtime, workers, commands);
        let thread = thread::Builder::new().name("poolscope-otlp".to_owned()).spawn(main);
        thread.map_err(OtlpError::Thread)?;
        let exports_spans = config.spans.enabled;
        let telemetry = Self { tracer_provider, dropped, running: Some(flush) };
        telemetry.connect(scope, exports_spans, logger);
        if config.metrics.enabled {
            scope.want_exemplars(config.exemplars);
        }
        Ok(telemetry)
    }

    /// Lets the scope's spans and events come here. Neither holds the scope, so nothing holds itself.
    fn connect(&self, scope: &Scope, exports_spans: bool, logger: Option<Weak<SdkLogger>>) {
        if exports_spans {
            scope.tracing().set(&self.tracer_provider);
        }
        if let Some(logger) = logger {
            scope.listen(EventLog(logger));
        }
        if let Some(flush) = &self.running {
            scope.flush_at_end(Arc::new(flush.clone()));
        }
    }

    /// The provider of spans, for everything else in the program that makes some: `tracing-opentelemetry` takes a tracer
    /// from it, and `opentelemetry::global::set_tracer_provider` takes a clone.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.tracer_provider
    }

    /// Items of a signal that are lost so far: points of metrics, spans, events.
    #[must_use]
    pub fn dropped(&self, signal: Signal) -> u64 {
        self.dropped.get(signal)
    }

    /// Sends what there is now, all three signals. Blocks for at most [`DEFAULT_SHUTDOWN_TIMEOUT`].
    pub fn flush(&self) {
        if let Some(running) = &self.running {
            running.flush();
        }
    }

    /// Like [`Telemetry::flush`], without blocking the thread. It needs no runtime of a certain kind.
    pub async fn flush_async(&self) {
        if let Some(running) = &self.running {
            let (done, told) = Done::waiting();
            running.ask(Command::Flush { deadline: deadline(DEFAULT_SHUTDOWN_TIMEOUT), done });
            waited(told).await;
        }
    }

    /// Sends what is left and ends the export. Blocks for at most [`DEFAULT_SHUTDOWN_TIMEOUT`]. Returns what was lost in the
    /// life of the export.
    ///
    /// It may be called in any runtime and without one, since the export has a thread of its own. Inside of a runtime with
    /// one thread nothing else of that runtime runs meanwhile, so a receiver in the same runtime would not answer; there
    /// [`Telemetry::shutdown_async`] is the better door.
    pub fn shutdown(self) -> Lost {
        self.shutdown_within(DEFAULT_SHUTDOWN_TIMEOUT)
    }

    /// Like [`Telemetry::shutdown`], with another limit.
    pub fn shutdown_within(mut self, limit: Duration) -> Lost {
        self.end(limit);
        Lost::of(&self.dropped)
    }

    /// Like [`Telemetry::shutdown_within`], without blocking the thread: everything else in the runtime goes on, whatever
    /// runtime it is. Dropped midway, the export ends all the same, in the background.
    pub async fn shutdown_async(mut self, limit: Duration) -> Lost {
        if let Some(running) = self.running.take() {
            let (done, told) = Done::waiting();
            running.finish(limit, done);
            waited(told).await;
            self.stop_recording();
        }
        Lost::of(&self.dropped)
    }

    fn end(&mut self, limit: Duration) {
        let Some(running) = self.running.take() else { return };
        let (done, told) = Done::blocking();
        running.finish(limit, done);
        wait(&told, limit);
        self.stop_recording();
    }

    /// From now on the provider's spans cost nothing; there is nothing left of theirs to send.
    fn stop_recording(&self) {
        let _ = self.tracer_provider.shutdown_with_timeout(Duration::ZERO);
    }
}

/// Sends what there is of a running export; nothing of one that has ended.
#[derive(Debug, Clone)]
pub(super) struct Flush {
    commands: mpsc::UnboundedSender<Command>,
}

impl Flush {
    pub(super) fn flush(&self) {
        self.flush_within(DEFAULT_SHUTDOWN_TIMEOUT);
    }

    pub(super) fn flush_within(&self, limit: Duration) {
        let (done, told) = Done::blocking();
        self.ask(Command::Flush { deadline: deadline(limit), done });
        wait(&told, limit);
    }

    fn finish(&self, limit: Duration, done: Done) {
        self.ask(Command::Finish { deadline: deadline(limit), done });
    }

    /// A command that nobody hears any more is dropped, which says that it is done.
    fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

impl FlushAtEnd for Flush {
    fn flush_at_end(&self) {
        self.flush();
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.end(DEFAULT_SHUTDOWN_TIMEOUT);
    }
}

fn deadline(limit: Duration) -> Instant {
    Instant::now() + limit.min(MAX_DURATION)
}

fn wait(told: &blocking::Receiver<Infallible>, limit: Duration) {
    // Both ways out of it mean that there is nothing more to wait for.
    let _ = told.recv_timeout(limit.min(MAX_DURATION) + GRACE);
}

async fn waited(mut told: mpsc::Receiver<Infallible>) {
    // Nothing is ever sent; it ends when the other side is dropped.
    let _ = told.recv().await;
}
