//! Breakers that are held from a dashboard: the real service asks the real dashboard, over both protocols of OTLP.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use poolscope::breaker::{Breaker as Guarded, BreakerHandle, BreakerLayer};
use poolscope::event::BreakerTransition;
use poolscope::otlp::{Control, Otlp, Protocol, Telemetry};
use poolscope::{BreakerReason, BreakerState, Event, Scope, Stopped};
use poolscope_dashboard::Config;
use poolscope_semconv::event;
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::upstream::{Options, Upstream, answer};
use poolscope_tests::wait;
use poolscope_wire::{
    ApiError, Breaker, BreakerState as Shown, CONTROL_HEADER, Control as Told, ControlAction, ControlList,
    ControlOrder, ControlState, Event as ToldEvent, path,
};
use serde::de::DeserializeOwned;
use tower::{Layer, ServiceExt};

pub(crate) const TOKEN: &str = "0123456789abcdef-token";
const KEY: &str = "0123456789abcdef-key";
const REASON: &str = "upstream is being moved";

/// A dashboard with control, and somebody who has logged in there.
pub(crate) struct Desk {
    pub(crate) dashboard: Dashboard,
    client: reqwest::Client,
}

impl Desk {
    pub(crate) async fn start() -> Self {
        let mut config = Config::default();
        config.access.allow_control = true;
        config.access.login_token = TOKEN.parse().ok();
        config.access.otlp_api_key = KEY.parse().ok();
        Self { dashboard: Dashboard::start_with(config).await.unwrap(), client: reqwest::Client::new() }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let asked = self.client.get(format!("{}{path}", self.dashboard.url())).bearer_auth(TOKEN);
        asked.send().await.unwrap().json().await.unwrap()
    }

    async fn breaker(&self, name: &str) -> Option<Breaker> {
        let all: Vec<Breaker> = self.get(path::BREAKERS).await;
        all.into_iter().find(|breaker| breaker.name == name)
    }

    /// The id of a breaker whose service takes orders.
    async fn ready(&self, name: &str) -> String {
        let heard = async || (self.breaker(name).await, self.get::<ControlList>(path::CONTROL).await);
        let heard = wait::until("the service to take orders", heard, |(breaker, list)| {
            breaker.is_some() && !list.taking.is_empty()
        });
        heard.await.0.unwrap().id
    }

    async fn order(&self, breaker: &str, action: ControlAction, for_s: u64) -> Result<Told, (u16, String)> {
        let order = ControlOrder {
            breaker: breaker.to_owned(),
            action,
            for_s: Some(for_s),
            reason: REASON.to_owned(),
        };
        let asked = self.client.post(format!("{}{}", self.dashboard.url(), path::CONTROL));
        let asked = asked.bearer_auth(TOKEN).header("sec-fetch-site", "same-origin");
        let answer = asked.header(CONTROL_HEADER, "1").json(&order).send().await.unwrap();
        match answer.status() {
            StatusCode::ACCEPTED => Ok(answer.json().await.unwrap()),
            status => Err((status.as_u16(), answer.json::<ApiError>().await.unwrap().error)),
        }
    }

    async fn until(&self, id: &str, state: ControlState) -> Told {
        let told = async || {
            let list: ControlList = self.get(path::CONTROL).await;
            list.orders.into_iter().find(|order| order.id == id)
        };
        let is_there = |told: &Option<Told>| told.as_ref().is_some_and(|told| told.state == state);
        wait::until("an order to come so far", told, is_there).await.unwrap()
    }
}

/// A service that calls one upstream through a breaker.
pub(crate) struct Service {
    upstream: Arc<Upstream>,
    scope: Scope,
    handle: BreakerHandle,
    client: Guarded<Client<HttpConnector, Full<Bytes>>>,
    changes: Arc<Mutex<Vec<(Instant, BreakerTransition)>>>,
}

impl Service {
    pub(crate) async fn new() -> Self {
        let upstream = Upstream::start(Options::default(), async |_| answer(StatusCode::OK, "well"));
        Self::of(Arc::new(upstream.await.unwrap())).await
    }

    /// Another instance, which calls the same upstream.
    pub(crate) async fn beside(&self) -> Self {
        Self::of(Arc::clone(&self.upstream)).await
    }

    async fn of(upstream: Arc<Upstream>) -> Self {
        let scope = Scope::new();
        let breaker = BreakerLayer::new(&scope);
        let client = breaker
            .layer(Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(HttpConnector::new()));
        let changes = Arc::<Mutex<Vec<_>>>::default();
        let heard = Arc::clone(&changes);
        scope.listen(move |event: &Event| {
            if let Event::BreakerTransition(change) = event {
                heard.lock().unwrap().push((Instant::now(), change.clone()));
            }
        });
        let service = Self { upstream, scope, handle: breaker.handle(), client, changes };
        service.call().await.unwrap();
        service
    }

    /// Exports to the dashboard as its own program would, with the key.
    pub(crate) fn export(
        &self,
        dashboard: &Dashboard,
        protocol: Protocol,
        control: Option<Control>,
    ) -> Telemetry {
        let addr = match protocol {
            Protocol::Grpc => dashboard.otlp_grpc(),
            Protocol::HttpProtobuf => dashboard.otlp_http(),
        };
        let otlp = Otlp::new(&self.scope).environment(|_| None).service_name("shop").protocol(protocol);
        let otlp = otlp.endpoint(format!("http://{addr}")).header("x-otlp-api-key", KEY);
        match control {
            Some(control) => otlp.control(control).start().unwrap(),
            None => otlp.start().unwrap(),
        }
    }

    pub(crate) fn all(&self) -> Option<Control> {
        Some(Control::new().all(&self.handle))
    }

    fn name(&self) -> String {
        self.handle.list().remove(0).name
    }

    fn state(&self) -> BreakerState {
        self.handle.state(&self.name()).unwrap()
    }

    pub(crate) async fn until(&self, state: BreakerState) {
        wait::until("the breaker to change", async || self.state(), |now| *now == state).await;
    }

    /// One call: its error in words, if there is one.
    async fn call(&self) -> Result<(), String> {
        let request = Request::get(self.upstream.url("/")).body(Full::default()).unwrap();
        self.client.clone().oneshot(request).await.map(drop).map_err(|error| {
            assert!(matches!(Stopped::find(&error), Some(Stopped::Breaker(_))), "{error}");
            error.to_string()
        })
    }

    fn changes(&self) -> Vec<(Instant, BreakerTransition)> {
        self.changes.lock().unwrap().clone()
    }

    /// A change, by its number: the state is there a moment before who listens hears of it.
    async fn change(&self, number: usize) -> (Instant, BreakerTransition) {
        let heard = wait::until("a change to be told", async || self.changes(), |heard| heard.len() > number);
        heard.await.swap_remove(number)
    }
}

async fn an_order_goes_all_the_way(protocol: Protocol) {
    let (desk, service) = (Desk::start().await, Service::new().await);
    let telemetry = service.export(&desk.dashboard, protocol, service.all());
    let name = service.name();
    let id = desk.ready(&name).await;
    let seen = service.upstream.counts().requests();

    let asked = Instant::now();
    let order = desk.order(&id, ControlAction::ForceOpen, 2).await.unwrap();
    service.until(BreakerState::ForcedOpen).await;
    let (at, change) = service.change(0).await;
    assert!(at - asked < Duration::from_millis(500), "{:?}", at - asked);
    let begin = Instant::now();
    let error = service.call().await.unwrap_err();
    assert_eq!(error, format!("breaker {name} is held open from the dashboard"));
    assert!(begin.elapsed() < Duration::from_millis(100), "at once");
    assert_eq!(service.upstream.counts().requests(), seen, "nothing was sent");
    assert_eq!((change.reason, change.to), (BreakerReason::Forced, BreakerState::ForcedOpen));
    let forced = change.forced.unwrap();
    assert_eq!((&*forced.by, &*forced.why), ("token of a script (this machine)", REASON));

    let told = desk.until(&order.id, ControlState::InForce).await;
    assert!(told.until_ms.unwrap() >= told.at_ms + 2_000);
    let shown = async || desk.breaker(&name).await.unwrap();
    let shown = wait::until("who and until when", shown, |breaker| {
        breaker.state == Shown::ForcedOpen && breaker.transitions.iter().any(|one| one.forced.is_some())
    });
    let shown = shown.await;
    assert!(shown.sentence.contains("from a dashboard"), "{}", shown.sentence);
    let forced = shown.transitions.last().unwrap().forced.clone().unwrap();
    assert_eq!((&*forced.why, forced.until_ms.is_some()), (REASON, true));

    service.until(BreakerState::Closed).await;
    let (ended, change) = service.change(1).await;
    assert!((1_900..2_600).contains(&(ended - at).as_millis()), "{:?}", ended - at);
    assert_eq!((change.reason, change.forced), (BreakerReason::ForceEnded, None));
    service.call().await.unwrap();
    desk.until(&order.id, ControlState::Over).await;

    // Another one, and its end before its time.
    desk.order(&id, ControlAction::ForceClosed, 60).await.unwrap();
    service.until(BreakerState::ForcedClosed).await;
    desk.order(&id, ControlAction::Automatic, 0).await.unwrap();
    service.until(BreakerState::Closed).await;
    assert!(service.change(3).await.1.forced.is_some(), "somebody asked for it");
    let events = async || desk.get::<Vec<ToldEvent>>(path::EVENTS).await;
    let events = wait::until("every change to be an event", events, |events| {
        events.iter().filter(|one| one.kind == event::BREAKER_TRANSITION).count() == 4
    });
    let texts: Vec<_> = events.await.into_iter().rev().map(|event| event.text).collect();
    assert!(texts[0].ends_with(&format!("by token of a script (this machine): {REASON}")), "{texts:#?}");
    assert!(texts[1].contains("the time that it was held from the dashboard is over"), "{texts:#?}");
    telemetry.shutdown_async(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_is_held_from_the_dashboard_and_lets_go_by_itself_over_grpc() {
    an_order_goes_all_the_way(Protocol::Grpc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_is_held_from_the_dashboard_and_lets_go_by_itself_over_http() {
    an_order_goes_all_the_way(Protocol::HttpProtobuf).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_ends_in_time_without_the_dashboard() {
    let (mut desk, service) = (Desk::start().await, Service::new().await);
    let telemetry = service.export(&desk.dashboard, Protocol::Grpc, service.all());
    let id = desk.ready(&service.name()).await;
    desk.order(&id, ControlAction::ForceOpen, 3).await.unwrap();
    service.until(BreakerState::ForcedOpen).await;
    let begin = Instant::now();
    desk.dashboard.stop().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "who asks holds up no end: {:?}", begin.elapsed());
    assert_eq!(service.state(), BreakerState::ForcedOpen);
    service.until(BreakerState::Closed).await;
    let held = service.change(1).await.0 - service.change(0).await.0;
    assert!((2_900..3_600).contains(&held.as_millis()), "{held:?}");
    // One that starts anew is found, and has nothing to say of before.
    desk.dashboard.start_again().await.unwrap();
    let id = desk.ready(&service.name()).await;
    desk.order(&id, ControlAction::ForceOpen, 3_600).await.unwrap();
    service.until(BreakerState::ForcedOpen).await;
    // The export's end is the end of what it held.
    telemetry.shutdown_async(Duration::from_secs(5)).await;
    service.until(BreakerState::Closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_has_not_opted_in_can_not_be_asked() {
    let (desk, service) = (Desk::start().await, Service::new().await);
    let _telemetry = service.export(&desk.dashboard, Protocol::Grpc, None);
    let name = service.name();
    let known = async || desk.breaker(&name).await;
    let id = wait::until("the breaker", known, Option::is_some).await.unwrap().id;
    let (status, sentence) = desk.order(&id, ControlAction::ForceOpen, 60).await.unwrap_err();
    assert_eq!(status, 409);
    assert!(sentence.contains("has not opted in"), "{sentence}");
    assert_eq!(service.state(), BreakerState::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_did_not_name_is_refused_with_its_sentence() {
    let (desk, service) = (Desk::start().await, Service::new().await);
    let control = Control::new().only(&service.handle, ["http://other.example:80"]);
    let _telemetry = service.export(&desk.dashboard, Protocol::Grpc, Some(control));
    let name = service.name();
    let known = async || desk.breaker(&name).await;
    let id = wait::until("the breaker", known, Option::is_some).await.unwrap().id;
    // The service asks a moment after it has told of the breaker.
    let order = async || desk.order(&id, ControlAction::ForceOpen, 60).await;
    let order = wait::until("the service to ask", order, Result::is_ok).await.unwrap();
    let list: ControlList = desk.get(path::CONTROL).await;
    assert!(list.taking.is_empty(), "what would be refused is not offered");
    let told = desk.until(&order.id, ControlState::Refused).await;
    assert!(told.sentence.unwrap().contains("not this one"));
    assert!(service.changes().is_empty());
}
