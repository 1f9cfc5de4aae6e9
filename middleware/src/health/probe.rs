//! [`HealthProbe`].

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use poolscope_semconv::value::{HealthState, ProbeOutcome};
use poolscope_semconv::{attr, metric};
use tokio::task::AbortHandle;
use tower_service::Service;

use super::builder::HealthBuilder;
use super::http::{Asked, ProbeRequest, ProbeResponse};
use super::state::Machine;
use super::task::{Ends, Plan, probe_for_ever};
#[cfg(feature = "breaker")]
use crate::breaker::BreakerHandle;
use crate::event::{Event, Events, HealthChanged};
use crate::registry::{DestinationRef, HealthSnapshot, Histogram, Mirroring, Rows};
use crate::series::text;
use crate::{ConfigError, Scope};

/// Probes a destination for as long as it lives. Its drop ends the task, and the probe that is under way with it. See the
/// [module](super) for an example.
#[derive(Debug)]
#[must_use = "it probes for as long as it lives"]
pub struct HealthProbe {
    told: Arc<Told>,
    task: AbortHandle,
}

impl HealthProbe {
    /// Probes of a URL, with options of its own.
    pub fn builder(scope: &Scope, url: impl Into<String>) -> HealthBuilder {
        HealthBuilder::new(scope, url.into())
    }

    /// What the probes say of the destination.
    #[must_use]
    pub fn state(&self) -> HealthState {
        self.told.judged().machine.state()
    }

    /// Everything that is known of the destination; the same is in the snapshots of the scope.
    #[must_use]
    pub fn snapshot(&self) -> HealthSnapshot {
        self.told.snapshot()
    }

    pub(super) fn start<S, R>(builder: HealthBuilder, asked: Asked, service: S) -> Result<Self, ConfigError>
    where
        S: Service<R> + Clone + Send + 'static,
        S::Response: ProbeResponse<Body: Send> + Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: Send,
        R: ProbeRequest + Send + 'static,
    {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            ConfigError::new(format!("{} is probed from a task, and there is none: {error}", asked.uri))
        })?;
        let destination = DestinationRef::from_uri(&asked.uri);
        let destination = destination.map(|known| known.to_owned().to_string()).unwrap_or_default();
        let name = builder.name_of(&destination);
        let told = builder.scope.health().add(&name, |name| {
            let told = Told {
                name,
                destination,
                events: Arc::clone(builder.scope.events()),
                #[cfg(feature = "breaker")]
                breaker: builder.breaker,
                duration: Histogram::new(&metric::HEALTH_PROBE_DURATION),
                judged: Mutex::new(Judged {
                    machine: Machine::new(builder.failing_after, builder.healthy_after, now()),
                    last: String::new(),
                    probes: [0; ProbeOutcome::COUNT],
                    ended: None,
                    is_unwanted: false,
                }),
            };
            told.mirror(builder.scope.mirrors().as_ref());
            told
        });
        let plan = Plan {
            asked,
            interval: builder.interval,
            jitter: builder.jitter,
            timeout: builder.timeout,
            slow_from: builder.slow_from,
            expected: builder.expected,
        };
        let task = runtime.spawn(probe_for_ever(Ends(Arc::downgrade(&told)), plan, service));
        Ok(Self { told, task: task.abort_handle() })
    }
}

impl Drop for HealthProbe {
    fn drop(&mut self) {
        self.told.judged().is_unwanted = true;
        self.task.abort();
    }
}

/// What the probes have told.
#[derive(Debug)]
pub(super) struct Told {
    name: Arc<str>,
    destination: String,
    events: Arc<Events>,
    #[cfg(feature = "breaker")]
    breaker: Option<BreakerHandle>,
    duration: Histogram,
    judged: Mutex<Judged>,
}

#[derive(Debug)]
struct Judged {
    machine: Machine,
    /// How the last probe went.
    last: String,
    probes: [u64; ProbeOutcome::COUNT],
    /// When the last probe ended.
    ended: Option<Instant>,
    /// Nobody wants to know any more.
    is_unwanted: bool,
}

/// Time by tokio's clock, which tests can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Told {
    /// A probe is over.
    pub(super) fn record(&self, outcome: ProbeOutcome, took: Duration, how: String) {
        self.duration.record(took);
        let mut judged = self.judged();
        let now = now();
        judged.probes[outcome.index()] += 1;
        judged.ended = Some(now);
        judged.last = how;
        let before = judged.machine.record(outcome, now);
        self.tell(judged, before);
        #[cfg(feature = "breaker")]
        if let Some(breaker) = &self.breaker {
            breaker.destination_probed(&self.destination, outcome != ProbeOutcome::Failure);
        }
    }

    /// Nobody probes any more, although somebody wants to know: what was last seen says less from day to day.
    pub(super) fn ends(&self, why: &'static str) {
        let mut judged = self.judged();
        if !judged.is_unwanted {
            let before = judged.machine.end(why, now());
            self.tell(judged, before);
        }
    }

    /// Tells listeners of a change, if there was one.
    fn tell(&self, judged: MutexGuard<'_, Judged>, before: Option<HealthState>) {
        let changed = before.map(|from| HealthChanged {
            name: Arc::clone(&self.name),
            from,
            to: judged.machine.state(),
            reason: judged.machine.reason(&judged.last),
            destination: Some(self.destination.clone()),
        });
        // Listeners may ask the probe.
        drop(judged);
        if let Some(changed) = changed {
            self.events.emit(&Event::HealthChanged(changed));
        }
    }

    fn snapshot(&self) -> HealthSnapshot {
        let judged = self.judged();
        let now = now();
        HealthSnapshot {
            name: self.name.to_string(),
            state: judged.machine.state(),
            reason: judged.machine.reason(&judged.last),
            since: judged.machine.since(now),
            last_probe: judged.ended.map(|ended| now.saturating_duration_since(ended)),
            probes: ProbeOutcome::ALL
                .iter()
                .map(|outcome| (*outcome, judged.probes[outcome.index()]))
                .collect(),
            duration: self.duration.snapshot(),
        }
    }

    fn judged(&self) -> MutexGuard<'_, Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows<HealthSnapshot> for Told {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn rows(&self) -> Vec<HealthSnapshot> {
        vec![self.snapshot()]
    }

    fn mirror(&self, mirrors: Mirroring<'_>) {
        self.duration.mirror(mirrors, || vec![text(attr::HEALTH_NAME, &*self.name)]);
    }
}
