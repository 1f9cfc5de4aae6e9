//! The task that publishes.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use poolscope_wire::{ServerMessage, Update};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::sse::frame;
use super::told::Told;
use crate::app::App;
use crate::clock::now_ms;

/// At most so often: faster than this nobody reads.
const MIN_DISTANCE: Duration = Duration::from_millis(200);
/// About at least so often, so that silence means a lost connection; also how often the store looks at the time.
const MAX_DISTANCE: Duration = Duration::from_secs(1);
/// Figures wait so long for those of others: each message costs a browser a frame, however little it says.
const GATHER: Duration = Duration::from_millis(200);
/// Figures are told at most so often, but for the whole picture.
const FIGURES_DISTANCE: Duration = Duration::from_millis(900);
/// The server tells about itself every so many heartbeats.
const STATUS_EVERY: u64 = 5;

/// Publishes until the server ends, then ends all streams.
pub(crate) async fn publish(app: Arc<App>, end: impl Future<Output = ()>) {
    tokio::pin!(end);
    let mut heartbeat = interval(MAX_DISTANCE);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut earliest = Instant::now();
    let mut publisher = Publisher::default();
    loop {
        let is_heartbeat = tokio::select! {
            () = &mut end => break,
            _ = heartbeat.tick() => true,
            // Changes while the distance is kept are not lost: the bell stays rung.
            () = async { sleep_until(earliest).await; app.changed.notified().await } => false,
            () = sleep_until(publisher.figures_due.unwrap_or(earliest)), if publisher.figures_due.is_some() => false,
        };
        // What senders sent must not end the server, whatever a fault of ours makes of it.
        let round = catch_unwind(AssertUnwindSafe(|| {
            if is_heartbeat {
                app.store().tick(now_ms());
                app.traces().tick(now_ms());
            }
            publisher.round(&app, is_heartbeat)
        }));
        match round {
            Ok(true) => earliest = Instant::now() + MIN_DISTANCE,
            Ok(false) => {}
            Err(_) => {
                // What browsers know is not known any more.
                publisher = Publisher::default();
                app.streams.resync();
                tracing::error!("the live stream left out a round; this is a fault of the dashboard");
            }
        }
    }
    app.streams.close();
}

/// What is published next.
#[derive(Debug, Default)]
struct Publisher {
    told: Told,
    /// When the figures that wait are told.
    figures_due: Option<Instant>,
    /// When figures were told.
    figures_told: Option<Instant>,
    /// When anything was.
    sent: Option<Instant>,
    heartbeats: u64,
}

impl Publisher {
    /// Publishes what there is; true if there was something.
    fn round(&mut self, app: &App, is_heartbeat: bool) -> bool {
        if !app.streams.anybody() {
            if is_heartbeat {
                app.store().forget_news();
                *self = Self::default();
            }
            return false;
        }
        let now = Instant::now();
        let wants_full = app.streams.wants_full();
        let is_due = self.figures_due.is_some_and(|due| due <= now);
        self.heartbeats += u64::from(is_heartbeat);
        let wants_status = is_heartbeat && self.heartbeats.is_multiple_of(STATUS_EVERY);
        let trace_limits = if wants_status || wants_full { app.trace_limits() } else { Vec::new() };
        let mut store = app.store();
        if !(is_heartbeat || wants_full || is_due || store.has_news()) {
            return false;
        }
        let now_ms = now_ms();
        let mut update = store.update(now_ms);
        // Who gets the whole picture has the newest figures, so that all others have to have them too.
        let all = wants_full || is_due;
        self.told.condense(&mut update, all);
        if all {
            (self.figures_due, self.figures_told) = (None, Some(now));
        } else if self.told.holds() && self.figures_due.is_none() {
            let earliest = self.figures_told.map_or(now, |told| told + FIGURES_DISTANCE);
            self.figures_due = Some(earliest.max(now + GATHER));
        }
        update.status = wants_status.then(|| app.status(&store, trace_limits.clone(), now_ms));
        let says_nothing = update == Update { now_ms, ..Update::default() };
        let is_silent = self.sent.is_none_or(|sent| now - sent > MAX_DISTANCE / 2);
        if (is_heartbeat && is_silent || !says_nothing)
            && let Some(message) = encode(&ServerMessage::Update(update))
        {
            self.sent = Some(now);
            app.streams.send_update(&message);
        }
        if wants_full {
            let status = app.status(&store, trace_limits, now_ms);
            // One picture for all; only those who lagged are told so.
            let mut made: [Option<Bytes>; 2] = [None, None];
            app.streams.send_full(|lagged| {
                let slot = &mut made[usize::from(lagged)];
                if slot.is_none() {
                    let full = store.full(status.clone(), lagged);
                    self.told.know(&full);
                    *slot = encode(&ServerMessage::Full(full));
                }
                slot.clone()
            });
        }
        true
    }
}

fn encode(message: &ServerMessage) -> Option<Bytes> {
    match serde_json::to_vec(message) {
        Ok(json) => Some(frame(&json)),
        Err(error) => {
            tracing::error!(%error, "a message of the live stream could not be encoded");
            None
        }
    }
}
