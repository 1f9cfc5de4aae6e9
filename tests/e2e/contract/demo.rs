//! The demo service, through its good and bad times.

use std::time::Duration;

use poolscope::Scope;
use poolscope_tests::demo::Demo;

use super::World;

/// Two rounds of being well and ill.
const ROUNDS: Duration = Duration::from_secs(14);

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    let mut demo = Demo::start(&scope, crate::demo::quick()).await.unwrap();
    tokio::time::sleep(ROUNDS).await;
    demo.stop_calls().await;
    world.end(telemetry).await;
}
