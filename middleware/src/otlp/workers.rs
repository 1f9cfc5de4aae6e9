//! The thread of a running export: one worker for each signal, and the commands that reach them all.

use std::convert::Infallible;
use std::sync::{Arc, Weak};

use opentelemetry::Context;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLogger;
use opentelemetry_sdk::trace::SdkTracerProvider;
use poolscope_semconv::value::Signal;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::audience::Audience;
use super::batch::Batcher;
use super::command::{Command, Task};
use super::config::Config;
#[cfg(feature = "control")]
use super::control;
use super::dropped::Dropped;
use super::error::OtlpError;
use super::export::{Exporter, SentExemplars};
use super::queue::Queue;
use super::sender::Sender;
use super::telemetry::{Extras, Flush};
use super::temporality::Series;
use super::{logs, resource, spans};
use crate::{Scope, export};

/// The workers, and what feeds them.
pub(super) struct Parts {
    pub(super) workers: Workers,
    pub(super) tracer_provider: SdkTracerProvider,
    /// The logger that the workers hold, for those who feed it; `None` where events are not exported.
    pub(super) logger: Option<Weak<SdkLogger>>,
    /// Who hears them.
    pub(super) audience: Audience,
    /// Asks for commands, where some are wanted.
    #[cfg(feature = "control")]
    pub(super) control: Option<control::Worker>,
}

/// The workers, started when the thread is there.
pub(super) struct Workers {
    tasks: JoinSet<()>,
    senders: Vec<mpsc::UnboundedSender<Task>>,
    ending: watch::Sender<Option<Instant>>,
    /// Held until the last worker has ended, so that every event until then is sent or counted.
    logger: Option<Arc<SdkLogger>>,
}

/// Prepares the workers of all signals that are to be exported. Must be called in the context of the thread's runtime.
pub(super) fn prepare(
    scope: &Scope,
    config: &Config,
    #[cfg_attr(not(feature = "control"), expect(unused_variables, reason = "it holds control alone"))] extras: &Extras,
    dropped: &Dropped,
    flush: &Flush,
) -> Result<Parts, OtlpError> {
    let resource = resource::resource(&config.attributes);
    let (ending, ends) = watch::channel(None);
    let audience = Audience::default();
    #[cfg(feature = "control")]
    let control = match &extras.control {
        Some(_) if !config.metrics.enabled => {
            tracing::warn!(
                "breakers can't be held from a dashboard: metrics, by which it is asked, are not exported"
            );
            None
        }
        Some(control) => {
            Some(control::Worker::new(control.clone(), &config.metrics, audience.clone(), &resource)?)
        }
        None => None,
    };
    let mut workers = Workers { tasks: JoinSet::new(), senders: Vec::new(), ending, logger: None };
    if config.metrics.enabled {
        let exporter = Exporter {
            scope: scope.clone(),
            resource: message(&resource),
            dropped: dropped.clone(),
            sender: Sender::new(&config.metrics, dropped.clone(), audience.clone(), ends.clone())?,
            series: Series::new(config.temporality),
            exemplars: SentExemplars::new(config.exemplars),
            interval: config.interval,
        };
        workers.add(|tasks| exporter.run(tasks));
    }
    if config.events.enabled {
        let queue = Arc::new(Queue::new(config.event_batches, Signal::Events, dropped.clone()));
        let sender = Sender::new(&config.events, dropped.clone(), audience.clone(), ends.clone())?;
        let batcher = Batcher { queue: Arc::clone(&queue), sender, encode: logs::encoder(&resource) };
        workers.add(|tasks| batcher.run(tasks));
        workers.logger = Some(Arc::new(export::logger(&logs::provider(resource.clone(), queue))));
    }
    let mut tracer_provider = spans::off();
    if config.spans.enabled {
        let queue = Arc::new(Queue::new(config.span_batches, Signal::Spans, dropped.clone()));
        let sender = Sender::new(&config.spans, dropped.clone(), audience.clone(), ends)?;
        let batcher = Batcher { queue: Arc::clone(&queue), sender, encode: spans::encoder(&resource) };
        workers.add(|tasks| batcher.run(tasks));
        tracer_provider = spans::provider(resource, queue, flush.clone());
    }
    let logger = workers.logger.as_ref().map(Arc::downgrade);
    Ok(Parts {
        workers,
        tracer_provider,
        logger,
        audience,
        #[cfg(feature = "control")]
        control,
    })
}

fn message(resource: &Resource) -> ResourceMessage {
    let attributes = resource.iter().map(|(key, value)| KeyValue {
        key: key.to_string(),
        value: Some(value.clone().into()),
        ..KeyValue::default()
    });
    ResourceMessage { attributes: attributes.collect(), ..ResourceMessage::default() }
}

impl Workers {
    fn add<F>(&mut self, worker: impl FnOnce(mpsc::UnboundedReceiver<Task>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, tasks) = mpsc::unbounded_channel();
        self.senders.push(sender);
        self.tasks.spawn(worker(tasks));
    }

    /// Passes commands on until the export is to end, and ends it in time.
    async fn serve(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Flush { deadline, done } => {
                    let (token, flushed) = mpsc::channel::<Infallible>(1);
                    for worker in &self.senders {
                        let _ = worker.send(Task::Flush(token.clone()));
                    }
                    drop(token);
                    // Beside the workers, so that a flush that takes too long holds up nobody else's.
                    self.tasks.spawn(async move {
                        let mut flushed = flushed;
                        let _ = timeout_at(deadline.into(), flushed.recv()).await;
                        drop(done);
                    });
                }
                Command::Finish { deadline, done } => {
                    // From here on a flush is done before it begins. Else one would block this thread: the last of the scope,
                    // and with it the provider of spans, may be dropped here, which flushes.
                    drop(commands);
                    self.ending.send_replace(Some(deadline.into()));
                    for worker in &self.senders {
                        let _ = worker.send(Task::Finish);
                    }
                    let all = async { while self.tasks.join_next().await.is_some() {} };
                    let _ = timeout_at(deadline.into(), all).await;
                    // What they still hold is counted when they are dropped, before anybody hears that this is the end.
                    self.tasks.shutdown().await;
                    // An event that comes later finds no logger, as a span finds a provider that records nothing.
                    drop(self.logger);
                    drop(done);
                    return;
                }
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }
}

/// The thread's work. Everything that the event loop does is polled here, so none of it is observed as the application's.
pub(super) fn run(runtime: Runtime, workers: Workers, commands: mpsc::UnboundedReceiver<Command>) {
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    runtime.block_on(workers.serve(commands));
    // A name that is being looked up must not keep the thread.
    runtime.shutdown_background();
}
