//! Commands on a layer whose breakers have been called, under a clock that the test moves.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use poolscope_semconv::value::{BreakerReason, BreakerState};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;
use crate::Scope;
use crate::breaker::{BreakerHandle, BreakerLayer};
use crate::event::Event;

const NAME: &str = "http://pay.example:80";

/// What an event says of a change.
type Told = (BreakerState, BreakerReason, Option<Forced>);

/// A layer with one breaker that has been called, and what its events say.
struct Bench {
    handle: BreakerHandle,
    told: Arc<Mutex<Vec<Told>>>,
    /// Keeps the layer.
    _layer: BreakerLayer,
}

impl Bench {
    async fn new() -> Self {
        let scope = Scope::new();
        let layer = BreakerLayer::new(&scope);
        let mut client = layer.layer(service_fn(|_: Request<()>| async {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        }));
        let call = client.ready().await.unwrap().call(Request::get("http://pay.example/").body(()).unwrap());
        call.await.unwrap();
        let told = Arc::<Mutex<Vec<_>>>::default();
        let listened = Arc::clone(&told);
        scope.listen(move |event: &Event| {
            assert!(!Context::is_current_telemetry_suppressed());
            if let Event::BreakerTransition(change) = event {
                listened.lock().unwrap().push((change.to, change.reason, change.forced.clone()));
            }
        });
        Self { handle: layer.handle(), told, _layer: layer }
    }

    fn state(&self) -> BreakerState {
        self.handle.state(NAME).unwrap()
    }
}

fn command(id: &str, action: Action, seconds: u64) -> Command {
    Command {
        id: id.to_owned(),
        breaker: NAME.to_owned(),
        action,
        lasts: Duration::from_secs(seconds),
        by: "token login".to_owned(),
        why: "moved\n away".to_owned(),
    }
}

#[tokio::test]
async fn it_says_which_breakers_take_commands() {
    let bench = Bench::new().await;
    let takes = |control: Control| Holds::new(control).takes().into_iter().collect::<Vec<_>>();
    assert_eq!(takes(Control::new().all(&bench.handle)), [NAME]);
    assert_eq!(takes(Control::new().only(&bench.handle, [NAME, "another"])), [NAME]);
    assert!(takes(Control::new().only(&bench.handle, ["another"])).is_empty());
    assert!(takes(Control::new()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_when_its_time_is_over_and_says_who_and_why() {
    // As on the thread of the export: what happens to breakers is told all the same.
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    let bench = Bench::new().await;
    let mut holds = Holds::new(Control::new().all(&bench.handle));
    let start = Instant::now();
    assert_eq!(holds.take(&command("1", Action::ForceOpen, 60), start).result, Ok(Duration::from_secs(60)));
    assert_eq!(bench.state(), BreakerState::ForcedOpen);
    holds.end_due(start + Duration::from_secs(59));
    assert_eq!(bench.state(), BreakerState::ForcedOpen);
    assert_eq!(holds.next_end(), Some(start + Duration::from_secs(60)));
    holds.end_due(start + Duration::from_secs(60));
    assert_eq!((bench.state(), holds.next_end()), (BreakerState::Closed, None));
    let forced =
        Forced { by: "token login".into(), why: "moved away".into(), lasts: Some(Duration::from_secs(60)) };
    assert_eq!(
        *bench.told.lock().unwrap(),
        [
            (BreakerState::ForcedOpen, BreakerReason::Forced, Some(forced)),
            (BreakerState::Closed, BreakerReason::ForceEnded, None),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_command_is_done_once_and_the_last_one_counts() {
    let bench = Bench::new().await;
    let mut holds = Holds::new(Control::new().all(&bench.handle));
    let start = Instant::now();
    holds.take(&command("1", Action::ForceOpen, 60), start).result.unwrap();
    holds.take(&command("2", Action::ForceClosed, 10), start).result.unwrap();
    assert_eq!(bench.state(), BreakerState::ForcedClosed);
    holds.take(&command("1", Action::ForceOpen, 60), start).result.unwrap();
    assert_eq!(bench.state(), BreakerState::ForcedClosed, "it was done before");
    holds.take(&command("3", Action::Automatic, 0), start).result.unwrap();
    assert_eq!(bench.state(), BreakerState::Closed);
    holds.take(&command("4", Action::Automatic, 0), start).result.unwrap();
    assert_eq!(bench.told.lock().unwrap().len(), 3, "it was automatic already");
    drop(holds);
    assert_eq!(bench.told.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_application_decides_stands() {
    let bench = Bench::new().await;
    let mut holds = Holds::new(Control::new().all(&bench.handle));
    let start = Instant::now();
    bench.handle.force(NAME, Force::Open);
    let refused = holds.take(&command("1", Action::ForceClosed, 60), start).result.unwrap_err();
    assert!(refused.contains("application itself"), "{refused}");
    bench.handle.reset(NAME);
    // The same state, first held by a command and then by the application: the command's end is not its end.
    holds.take(&command("2", Action::ForceOpen, 60), start).result.unwrap();
    bench.handle.force(NAME, Force::Open);
    holds.end_due(start + Duration::from_secs(60));
    assert_eq!(bench.state(), BreakerState::ForcedOpen);
    bench.handle.reset(NAME);
    holds.take(&command("3", Action::ForceOpen, 60), start).result.unwrap();
    bench.handle.reset(NAME);
    let changes = bench.told.lock().unwrap().len();
    holds.end_due(start + Duration::from_secs(60));
    assert_eq!(bench.told.lock().unwrap().len(), changes, "there was nothing left to let go");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_offered_is_refused_with_a_sentence() {
    let bench = Bench::new().await;
    let start = Instant::now();
    let refused = |control: Control, command: &Command| {
        let refused = Holds::new(control).take(command, start).result.unwrap_err();
        assert_eq!(bench.state(), BreakerState::Closed);
        refused
    };
    let open = |seconds| command("1", Action::ForceOpen, seconds);
    assert!(refused(Control::new(), &open(1)).contains("did not offer"));
    let other = Control::new().only(&bench.handle, ["http://other.example:80"]);
    assert!(refused(other, &open(1)).contains("not this one"));
    let twice = Control::new().only(&bench.handle, ["http://other.example:80"]).only(&bench.handle, [NAME]);
    Holds::new(twice).take(&open(1), start).result.expect("it is named, if not the first time");
    let all = || Control::new().all(&bench.handle);
    assert!(refused(all(), &open(3601)).contains("1 h at most"));
    assert!(refused(all().max_hold(Duration::from_secs(30)), &open(31)).contains("30 s at most"));
    assert!(refused(all().max_hold(Duration::MAX), &open(3601)).contains("1 h at most"));
    let unknown = Command { breaker: "http://nowhere:80".to_owned(), ..open(1) };
    assert!(refused(all(), &unknown).contains("no call goes through"));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_export_lets_everything_go() {
    let bench = Bench::new().await;
    let mut holds = Holds::new(Control::new().only(&bench.handle, [NAME]));
    holds.take(&command("1", Action::ForceOpen, 60), Instant::now()).result.unwrap();
    drop(holds);
    assert_eq!(bench.state(), BreakerState::Closed);
}
