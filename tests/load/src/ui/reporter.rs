//! The fleet that reports while somebody looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::fleet::{Instance, Size};
use crate::receiver::Receiver;
use crate::send::{Protocol, Sender, Signal};

/// A fleet that reports again and again; it ends when dropped.
#[derive(Debug)]
pub(super) struct Reporter {
    shared: Arc<Shared>,
    task: JoinHandle<Result<()>>,
}

#[derive(Debug)]
struct Shared {
    every_ms: AtomicU64,
    /// Reports that the whole fleet has made.
    reports: AtomicU64,
}

impl Reporter {
    pub(super) fn start(size: Size, to: &Receiver) -> Self {
        let shared = Arc::new(Shared { every_ms: AtomicU64::new(1_000), reports: AtomicU64::new(0) });
        let sender = Sender::new(Protocol::Grpc, to.grpc);
        let task = tokio::spawn(run(Instance::all(size), sender, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Reports so often from now on.
    pub(super) fn every(&self, time: Duration) {
        self.shared.every_ms.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Reports of the whole fleet so far. Fails if one was not taken.
    pub(super) async fn reports(&mut self) -> Result<u64> {
        if self.task.is_finished() {
            (&mut self.task).await??;
        }
        Ok(self.shared.reports.load(Relaxed))
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(mut fleet: Vec<Instance>, sender: Sender, shared: Arc<Shared>) -> Result<()> {
    let mut every_ms = 0;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for step in 0.. {
        let wanted_ms = shared.every_ms.load(Relaxed);
        if wanted_ms != every_ms {
            every_ms = wanted_ms;
            ticks = tokio::time::interval(Duration::from_millis(every_ms));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        // Encoded before the tick, so that the reports of all come together.
        let at = SystemTime::now() + Duration::from_millis(every_ms);
        let encoded: Vec<_> =
            fleet.iter_mut().map(|one| (one.report(step, at), one.told(step, at))).collect();
        ticks.tick().await;
        for (metrics, events) in &encoded {
            sender.send(Signal::Metrics, metrics).await?;
            sender.send(Signal::Logs, events).await?;
        }
        shared.reports.fetch_add(1, Relaxed);
    }
    Ok(())
}
