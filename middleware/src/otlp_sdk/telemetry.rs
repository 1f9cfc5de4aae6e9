//! [`SdkTelemetry`]: a running pipeline and its end.

use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::thread::Thread;
use crate::export::{EventLog, FlushAtEnd, logger};
use crate::meter::{self, MeterBridge};
use crate::{ConfigError, Scope};

/// Longest time that [`SdkTelemetry::flush`], [`SdkTelemetry::shutdown`] and dropping take.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A running pipeline. Keep it for as long as the program runs; dropping it is [`SdkTelemetry::shutdown`].
#[derive(Debug)]
#[must_use = "the export ends when it is dropped"]
pub struct SdkTelemetry {
    providers: Arc<Providers>,
    /// `None` when it has ended.
    running: Option<Running>,
}

/// Dropped in this order.
#[derive(Debug)]
struct Running {
    /// Where the scope's listener finds the logger until the end.
    logger: Arc<SdkLogger>,
    bridge: MeterBridge,
    thread: Thread,
}

#[derive(Debug)]
pub(super) struct Providers {
    pub(super) tracer: SdkTracerProvider,
    pub(super) meter: SdkMeterProvider,
    pub(super) logger: SdkLoggerProvider,
}

impl SdkTelemetry {
    /// Lets the scope's metrics, spans and events come here. None of it holds the scope, so nothing holds itself.
    pub(super) fn start(scope: &Scope, providers: Providers, thread: Thread) -> Result<Self, ConfigError> {
        let bridge = meter::register(scope, &providers.meter)?;
        scope.set_tracer_provider(&providers.tracer);
        let logger = Arc::new(logger(&providers.logger));
        scope.listen(EventLog(Arc::downgrade(&logger)));
        let providers = Arc::new(providers);
        scope.flush_at_end(Arc::new(AtEnd(Arc::downgrade(&providers))));
        Ok(Self { providers, running: Some(Running { logger, bridge, thread }) })
    }

    /// The provider of spans, for everything else in the program that makes some.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.providers.tracer
    }

    /// The provider of meters, for metrics of the program.
    #[must_use]
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.providers.meter
    }

    /// The provider of loggers, for log records of the program.
    #[must_use]
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.providers.logger
    }

    /// Sends what there is now, all three signals. Blocks for at most [`DEFAULT_SHUTDOWN_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// What the SDK says of the signal that failed first, or that time ran out.
    pub fn flush(&self) -> OTelSdkResult {
        self.providers.flush()
    }

    /// Sends what is left and ends all three providers. Blocks for at most [`DEFAULT_SHUTDOWN_TIMEOUT`], in any runtime and
    /// without one. In a runtime with one thread, nothing else there runs meanwhile.
    ///
    /// # Errors
    ///
    /// What the SDK says of the signal that failed first, or that time ran out. The SDK does not say how much was lost.
    pub fn shutdown(mut self) -> OTelSdkResult {
        self.end()
    }

    fn end(&mut self) -> OTelSdkResult {
        let Some(Running { logger, bridge, thread }) = self.running.take() else { return Ok(()) };
        drop(logger);
        let result = self.providers.shutdown();
        // The last collection asked it.
        drop(bridge);
        drop(thread);
        result
    }
}

impl Drop for SdkTelemetry {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// The scope keeps it for as long as it lives.
#[derive(Debug)]
struct AtEnd(Weak<Providers>);

impl FlushAtEnd for AtEnd {
    fn flush_at_end(&self) {
        if let Some(providers) = self.0.upgrade() {
            // The SDK logs what failed.
            let _ = providers.flush();
        }
    }
}

type Task = Box<dyn FnOnce() -> OTelSdkResult + Send>;

impl Providers {
    fn flush(&self) -> OTelSdkResult {
        let Self { tracer, meter, logger } = self;
        let (tracer, meter, logger) = (tracer.clone(), meter.clone(), logger.clone());
        side_by_side([
            Box::new(move || tracer.force_flush()),
            Box::new(move || meter.force_flush()),
            Box::new(move || logger.force_flush()),
        ])
    }

    fn shutdown(&self) -> OTelSdkResult {
        let Self { tracer, meter, logger } = self;
        let (tracer, meter, logger) = (tracer.clone(), meter.clone(), logger.clone());
        side_by_side([
            Box::new(move || tracer.shutdown_with_timeout(DEFAULT_SHUTDOWN_TIMEOUT)),
            Box::new(move || meter.shutdown_with_timeout(DEFAULT_SHUTDOWN_TIMEOUT)),
            Box::new(move || logger.shutdown_with_timeout(DEFAULT_SHUTDOWN_TIMEOUT)),
        ])
    }
}

/// Runs them on threads of their own and waits in common: one after the other they would take three times as long, and the
/// flush of metrics has no limit by itself.
fn side_by_side(tasks: [Task; 3]) -> OTelSdkResult {
    let deadline = Instant::now() + DEFAULT_SHUTDOWN_TIMEOUT;
    let (tell, told) = mpsc::channel();
    for task in tasks {
        let tell = tell.clone();
        let run = move || drop(tell.send(task()));
        let thread = thread::Builder::new().name("poolscope-flush".to_owned()).spawn(run);
        thread.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
    }
    drop(tell);
    let mut all = Ok(());
    loop {
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(result) => all = all.and(result),
            Err(mpsc::RecvTimeoutError::Disconnected) => return all,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return all.and(Err(OTelSdkError::Timeout(DEFAULT_SHUTDOWN_TIMEOUT)));
            }
        }
    }
}
