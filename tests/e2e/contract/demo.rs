//! The demo service, through its good and bad times.

use std::time::{Duration, Instant};

use poolscope::Scope;
use poolscope_tests::demo::Demo;

use super::World;

/// Two rounds of being well and ill.
const ROUNDS: Duration = Duration::from_secs(14);

/// On a busy machine a round may be over before something that takes some calls in a row has come of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs for two rounds, and goes on until everything was seen.
pub(super) async fn run(world: &World, all_seen: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    let mut demo = Demo::start(&scope, crate::demo::quick()).await.unwrap();
    tokio::time::sleep(ROUNDS).await;
    while begin.elapsed() < PATIENCE && !all_seen().await {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    demo.stop_calls().await;
    world.end(telemetry).await;
}
