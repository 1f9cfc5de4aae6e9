//! Queues that drop items for every reason.

use poolscope::Scope;
use poolscope::queue::DropPolicy;

use super::World;

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    let mut senders = Vec::new();
    for (name, policy) in [("prices", DropPolicy::Oldest), ("orders", DropPolicy::Newest)] {
        let (sender, receiver) = scope.queue(name, 1, policy);
        sender.push(1).unwrap();
        assert!(sender.push(2).unwrap().is_some(), "there is room for one");
        senders.push((sender, receiver));
    }
    let (sender, receiver) = scope.queue("closed", 1, DropPolicy::Oldest);
    sender.push(1).unwrap();
    drop(receiver);
    assert!(sender.push(2).is_err(), "nobody takes it");
    world.end(telemetry).await;
}
