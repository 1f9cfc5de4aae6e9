//! A breaker that is held from a dashboard, which the receiver plays for who shows a certain header.

use std::time::Duration;

use poolscope::breaker::BreakerLayer;
use poolscope::otlp::{Control, Otlp};
use poolscope::{BreakerReason, BreakerSnapshot, Scope};
use poolscope_semconv::protocol::DASHBOARD_HEADER;
use poolscope_semconv::protocol::control::{Action, Answer, Command, HEADER, Question};
use poolscope_tests::wait;
use tonic::metadata::MetadataMap;

use super::{World, breakers};

/// For who shows it the receiver is a dashboard.
const PLAYED: &str = "x-plays-dashboard";
const NAME: &str = "from a dashboard http://forced.test:80";

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let breaker = BreakerLayer::builder(&scope).name("from a dashboard").build().unwrap();
    breakers::call(&breaker, "http://forced.test/").await;
    let otlp = Otlp::new(&scope).environment(|_| None).service_name("contract").endpoint(&world.url);
    let control = Control::new().only(&breaker.handle(), [NAME]);
    let telemetry = otlp.header(PLAYED, "yes").control(control).start().unwrap();
    let was_held = |list: &Vec<BreakerSnapshot>| {
        let has = |reason| list[0].transitions.iter().any(|(_, _, of, count)| *of == reason && *count > 0);
        has(BreakerReason::Forced) && has(BreakerReason::ForceEnded)
    };
    wait::until("a breaker to be held and let go", async || breaker.handle().list(), was_held).await;
    world.end(telemetry).await;
}

/// What a dashboard would say beside its answer: always the same command, which is done once.
pub(super) fn play(asked: &MetadataMap, answer: &mut MetadataMap) {
    if !asked.contains_key(PLAYED) {
        return;
    }
    answer.insert(DASHBOARD_HEADER, "0".parse().unwrap());
    let question = asked.get(HEADER).and_then(|value| Question::decode(value.to_str().unwrap()));
    let Some(question) = question else { return };
    let command = Command {
        id: "1".to_owned(),
        breaker: NAME.to_owned(),
        action: Action::ForceOpen,
        lasts: Duration::from_millis(300),
        by: "token login (this machine)".to_owned(),
        why: "to see it told".to_owned(),
    };
    let told = Answer { number: question.number, command: Some(command) };
    answer.insert(HEADER, told.encode().parse().unwrap());
}
