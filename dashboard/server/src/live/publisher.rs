//! The task that publishes.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use poolscope_wire::ServerMessage;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::sse::frame;
use crate::app::App;
use crate::clock::now_ms;

/// At most so often: faster than this nobody reads.
const MIN_DISTANCE: Duration = Duration::from_millis(200);
/// At least so often, so that silence means a lost connection; also how often the store looks at the time.
const MAX_DISTANCE: Duration = Duration::from_secs(1);

/// Publishes until the server ends, then ends all streams.
pub(crate) async fn publish(app: Arc<App>, end: impl Future<Output = ()>) {
    tokio::pin!(end);
    let mut heartbeat = interval(MAX_DISTANCE);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut earliest = Instant::now();
    loop {
        let is_heartbeat = tokio::select! {
            () = &mut end => break,
            _ = heartbeat.tick() => true,
            // Changes while the distance is kept are not lost: the bell stays rung.
            () = async { sleep_until(earliest).await; app.changed.notified().await } => false,
        };
        // What senders sent must not end the server, whatever a fault of ours makes of it.
        let round = catch_unwind(AssertUnwindSafe(|| {
            if is_heartbeat {
                app.store().tick(now_ms());
                app.traces().tick(now_ms());
            }
            publish_once(&app, is_heartbeat)
        }));
        match round {
            Ok(true) => earliest = Instant::now() + MIN_DISTANCE,
            Ok(false) => {}
            Err(_) => tracing::error!("the live stream left out a round; this is a fault of the dashboard"),
        }
    }
    app.streams.close();
}

/// Publishes what there is; true if somebody was told something.
fn publish_once(app: &App, is_heartbeat: bool) -> bool {
    if !app.streams.anybody() {
        if is_heartbeat {
            app.store().forget_news();
        }
        return false;
    }
    let wants_full = app.streams.wants_full();
    let trace_limits = if is_heartbeat || wants_full { app.trace_limits() } else { Vec::new() };
    let mut store = app.store();
    if !(is_heartbeat || wants_full || store.has_news()) {
        return false;
    }
    let now_ms = now_ms();
    let mut update = store.update(now_ms);
    update.status = is_heartbeat.then(|| app.status(&store, trace_limits.clone(), now_ms));
    if let Some(message) = encode(&ServerMessage::Update(update)) {
        app.streams.send_update(&message);
    }
    if wants_full {
        let status = app.status(&store, trace_limits, now_ms);
        // One picture for all; only those who lagged are told so.
        let mut made: [Option<Bytes>; 2] = [None, None];
        app.streams.send_full(|lagged| {
            let slot = &mut made[usize::from(lagged)];
            if slot.is_none() {
                *slot = encode(&ServerMessage::Full(store.full(status.clone(), lagged)));
            }
            slot.clone()
        });
    }
    true
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
