//! Answers as Prometheus gives them, and what becomes of them; and a server that answers as it should not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use poolscope_wire::{BreakerState, PoolDetail, PrometheusStatus};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

use super::answer::{Answer, Series};
use super::picture::Picture;
use super::replay::Replay;
use super::{DataSource, Poller, Prometheus, complete, complete_breaker};
use crate::access::Access;
use crate::app::App;
use crate::clock::now_ms;
use crate::config::Config;
use crate::otlp::decode;
use crate::store::{Id, PoolId, Since, Store, Wanted};

/// Time of the first scrape.
const T0_MS: u64 = 1_700_000_000_000;

/// A series with a value every 5 s.
fn series(name: &str, more: &[(&str, &str)], values: &[f64]) -> Json {
    let mut labels = json!({
        "__name__": name, "job": "shop", "instance": "a1", "server_address": "pay", "server_port": "443",
        "url_scheme": "https", "poolscope_client_name": "http",
    });
    for (label, value) in more {
        labels[label] = json!(value);
    }
    let at = |index: usize| (T0_MS / 1_000 + 5 * index as u64) as f64;
    let values: Vec<_> =
        values.iter().enumerate().map(|(index, value)| json!([at(index), value.to_string()])).collect();
    json!({ "metric": labels, "values": values })
}

fn picture(series: &[Json], replica_labels: &[&str]) -> Picture {
    let answer = json!({ "status": "success", "data": { "resultType": "matrix", "result": series } });
    let answer: Answer<Vec<Series>> = serde_json::from_value(answer).unwrap();
    let labels: Vec<_> = replica_labels.iter().map(|label| (*label).to_owned()).collect();
    Picture::of(answer.data.result, &labels)
}

/// The store after all moments of the series.
fn store(all: &[Json]) -> Store {
    let mut store = Store::new(&Config::default());
    for (sender, of) in picture(all, &[]).senders {
        let mut replay = Replay::new(&sender, of.tracks);
        for moment in replay.moments(0, 5_000) {
            let request = replay.at(moment, moment.last_ms);
            let metrics = decode::metrics(&request).unwrap();
            assert_eq!(metrics.rejected.count, 0, "{:?}", metrics.rejected);
            store.take_metrics(&metrics.reports, moment.last_ms);
        }
    }
    store
}

fn pool(store: &Store) -> PoolDetail {
    let pools = store.pools();
    assert_eq!(pools.len(), 1, "{pools:?}");
    let usual = Wanted { since: Since::usual(), to_ms: None, max_points: 1_000 };
    store.pool(Id::parse(&pools[0].id).unwrap(), usual, 0).unwrap()
}

const ACQUIRES: &str = "poolscope_connection_acquires_total";
const REUSED: &[(&str, &str)] = &[("poolscope_acquire_outcome", "reused")];
const OPENED: &str = "poolscope_connection_opened_total";

#[test]
fn scrapes_become_points_at_their_own_times() {
    let state = |state, values: &[f64]| {
        series("http_client_open_connections", &[("http_connection_state", state)], values)
    };
    let store = store(&[
        state("idle", &[2.0, 3.0]),
        state("active", &[1.0, 0.0]),
        series(OPENED, &[], &[10.0, 20.0]),
        series(ACQUIRES, REUSED, &[100.0, 150.0]),
        series("up", &[], &[1.0, 1.0]),
    ]);
    let pool = pool(&store);
    let summary = &pool.summary;
    assert_eq!((&*summary.service, &*summary.instance, &*summary.client), ("shop", "a1", "http"));
    assert_eq!((&*summary.address, summary.port), ("pay", 443));
    let times: Vec<_> = pool.points.iter().map(|point| point.at_ms).collect();
    assert_eq!(times, [T0_MS, T0_MS + 5_000]);
    assert_eq!((pool.points[0].idle, pool.points[1].idle), (Some(2), Some(3)));
    assert_eq!(pool.points[1].opened_per_s, Some(2.0));
    assert_eq!((pool.summary.opened_total, pool.acquires[0].count), (Some(20), 150));
}

#[test]
fn a_counter_that_fell_began_anew() {
    let pool = pool(&store(&[series(OPENED, &[], &[10.0, 15.0, 4.0])]));
    assert_eq!((pool.summary.opened_total, pool.points[2].opened_per_s), (Some(19), Some(0.8)));
}

#[test]
fn buckets_become_a_histogram_in_whatever_order_they_come() {
    let bucket =
        |le, values: &[f64]| series("poolscope_connection_wait_time_seconds_bucket", &[("le", le)], values);
    let pool = pool(&store(&[
        bucket("+Inf", &[0.0, 100.0]),
        bucket("0.5", &[0.0, 98.0]),
        bucket("0.001", &[0.0, 0.0]),
        bucket("1.0", &[0.0, 100.0]),
    ]));
    let last = pool.points[1];
    assert!(last.wait_p50_s.is_some_and(|s| s > 0.001 && s < 0.5), "{last:?}");
    assert!(last.wait_p99_s.is_some_and(|s| s > 0.5 && s <= 1.0), "{last:?}");
}

#[test]
fn milliseconds_and_native_histograms_are_put_into_the_units_and_bounds_of_the_contract() {
    let bucket = |le, values: &[f64]| {
        series("http_client_duration_milliseconds_bucket", &[("le", le), ("net_peer_name", "pay")], values)
    };
    let old = pool(&store(&[bucket("+Inf", &[0.0, 10.0]), bucket("250", &[0.0, 10.0])]));
    assert!(old.points[1].duration_p50_s.is_some_and(|s| s < 0.25), "{old:?}");

    let mut native = series("poolscope_connection_use_time_seconds", &[], &[]);
    let at = |index: u64, buckets: Json| json!([T0_MS / 1_000 + 5 * index, { "count": "9", "sum": "1", "buckets": buckets }]);
    native["histograms"] = json!([
        at(0, json!([[0, "0.01", "0.02", "4"]])),
        at(1, json!([[0, "0.01", "0.02", "4"], [0, "0.2", "0.22", "5"]])),
    ]);
    let pool = pool(&store(&[native]));
    assert!(pool.points[1].use_p50_s.is_some_and(|s| (0.1..=0.25).contains(&s)), "{pool:?}");
}

#[test]
fn names_with_dots_are_the_same_pool() {
    let mut dotted = series("poolscope.connection.opened", &[], &[1.0, 6.0]);
    let labels = dotted["metric"].as_object_mut().unwrap();
    for key in ["server.address", "server.port", "url.scheme", "poolscope.client.name"] {
        let value = labels.remove(&key.replace('.', "_")).unwrap();
        labels.insert(key.to_owned(), value);
    }
    let detail = pool(&store(&[dotted, series(ACQUIRES, REUSED, &[1.0, 2.0])]));
    assert_eq!(detail.summary.opened_total, Some(6));
}

#[test]
fn who_sends_is_told_by_the_resource_or_by_job_and_instance() {
    let sender = |more: &[(&str, &str)]| {
        let pool = pool(&store(&[series(OPENED, more, &[1.0])])).summary;
        (pool.service, pool.instance)
    };
    let is = |service: &str, instance: &str| (service.to_owned(), instance.to_owned());
    assert_eq!(sender(&[]), is("shop", "a1"));
    assert_eq!(sender(&[("job", "eu/shop")]), is("shop", "a1"));
    assert_eq!(sender(&[("exported_job", "till"), ("exported_instance", "b2")]), is("till", "b2"));
    assert_eq!(sender(&[("service_name", "web"), ("service_instance_id", "c3")]), is("web", "c3"));
    assert_eq!(sender(&[("k8s_pod_name", "web-0")]), is("shop", "web-0"));
}

#[test]
fn of_replicas_one_is_shown_and_the_next_where_it_has_gone() {
    let copy = |replica, values: &[f64]| series(OPENED, &[("replica", replica)], values);
    let both = [copy("b", &[1.0, 2.0]), copy("a", &[1.0, 5.0])];
    assert_eq!(pool(&store(&both)).summary.opened_total, Some(5), "the first by its labels");
    assert_eq!(picture(&both, &[]).differing, ["replica".into()]);
    assert!(picture(&both, &["replica"]).differing.is_empty());
    // The first has been silent for longer than any scrape takes.
    let gone = [copy("a", &[1.0]), copy("b", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])];
    assert_eq!(pool(&store(&gone)).summary.opened_total, Some(6));
}

#[test]
fn the_newest_moment_is_told_and_others_only_so_often() {
    let all = picture(&[series(OPENED, &[], &[1.0, 2.0, 3.0, 4.0, 5.0])], &[]);
    let (sender, of) = all.senders.into_iter().next().unwrap();
    let replay = Replay::new(&sender, of.tracks);
    let moments = |after, apart| -> Vec<u64> {
        let moments = replay.moments(T0_MS + after, apart);
        moments.into_iter().map(|moment| moment.last_ms - T0_MS).collect()
    };
    assert_eq!(moments(0, 5_000), [5_000, 10_000, 15_000, 20_000]);
    assert_eq!(moments(0, 10_000), [10_000, 20_000]);
    assert_eq!(moments(15_000, 60_000), [20_000]);
    assert!(moments(20_000, 5_000).is_empty());
}

#[test]
fn nothing_that_comes_in_can_make_it_panic() {
    for labels in
        [json!({}), json!({ "__name__": "poolscope_connection_wait_time_seconds_bucket", "le": "x" })]
    {
        assert!(picture(&[json!({ "metric": labels, "values": [[1, "1"]] })], &[]).senders.is_empty());
    }
    let odd = [
        series(OPENED, &[], &[f64::NAN, f64::INFINITY, -1.0, 1e300]),
        series("http_client_open_connections", &[("http_connection_state", "idle")], &[f64::INFINITY, 1e12]),
        series(
            "poolscope_connection_wait_time_seconds_bucket",
            &[("le", "+Inf")],
            &[-1.0, f64::INFINITY, 1.0],
        ),
        series("poolscope_connection_wait_time_seconds_bucket", &[("le", "-Inf")], &[3.0]),
    ];
    let mut store = Store::new(&Config::default());
    for (sender, of) in picture(&odd, &[]).senders {
        let mut replay = Replay::new(&sender, of.tracks);
        for moment in replay.moments(0, 1) {
            let request = replay.at(moment, moment.last_ms);
            store.take_metrics(&decode::metrics(&request).unwrap().reports, moment.last_ms);
        }
    }
}

#[test]
fn only_series_with_the_labels_are_asked_for_and_a_value_can_not_leave_its_quotes() {
    let prometheus_label = vec!["cluster=eu".parse().unwrap(), r#"x=a"} or up #\"#.parse().unwrap()];
    let query = super::poller::selector(&Prometheus { prometheus_label, ..Prometheus::default() });
    assert!(query.ends_with(r#"",cluster="eu",x="a\"} or up #\\"}"#), "{query}");
}

/// What a server does with each question, by its form.
type Answering = fn(&str) -> Response;

/// A server in Prometheus' place, and the heads of what it was asked.
async fn serve(answer: Answering) -> (SocketAddr, Arc<Mutex<Vec<HeaderMap>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    let router = Router::new().fallback(move |request: Request| async move {
        let (head, body) = request.into_parts();
        seen.lock().unwrap().push(head.headers);
        let form = body.collect().await.unwrap().to_bytes();
        answer(std::str::from_utf8(&form).unwrap())
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (addr, heads)
}

/// The status after the first questions.
async fn asked(config: Prometheus) -> (Arc<App>, PrometheusStatus) {
    let prometheus = Prometheus { source: DataSource::Prometheus, ..config };
    let config = Config { prometheus, retention_s: 60, ..Config::default() };
    let otlp = [config.otlp_grpc_addr, config.otlp_http_addr];
    let access = Access::new(&config, config.http_addr, otlp).unwrap();
    let app = Arc::new(App::new(config, access, String::new(), String::new()));
    let state = app.prometheus.clone().unwrap();
    let poller = Poller::new(app.clone(), state.clone()).unwrap();
    let end = async {
        while state.status().problem.is_none() && state.status().answered_ms.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), poller.run(end)).await.unwrap();
    (app, state.status())
}

fn at(addr: SocketAddr) -> Prometheus {
    Prometheus { prometheus_url: Some(format!("http://{addr}").parse().unwrap()), ..Prometheus::default() }
}

/// One series with a value of two seconds ago, by a clock that is 100 s ahead.
fn well(form: &str) -> Response {
    let theirs = now_ms() / 1_000 + 100;
    let result = if form.contains("query=time") {
        json!({ "resultType": "scalar", "result": [theirs, theirs.to_string()] })
    } else {
        let mut one = series(OPENED, &[], &[]);
        one["values"] = json!([[theirs - 7, "1"], [theirs - 2, "11"]]);
        json!({ "resultType": "matrix", "result": [one] })
    };
    axum::Json(json!({ "status": "success", "data": result })).into_response()
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_and_times_are_ours() {
    let (addr, heads) = serve(well).await;
    let config = Prometheus {
        prometheus_user: Some("me".to_owned()),
        prometheus_password: Some("secret".parse().unwrap()),
        prometheus_header: vec!["X-Scope-OrgID: team-a".parse().unwrap()],
        ..at(addr)
    };
    let (app, status) = asked(config).await;
    assert_eq!((status.problem, status.series, status.failures), (None, 1, 0));
    assert!(status.notices.iter().any(|notice| notice.contains("ahead of")), "{:?}", status.notices);
    let pool = pool(&app.store());
    let age_ms = now_ms().saturating_sub(pool.summary.last_seen_ms);
    assert!((1_000..10_000).contains(&age_ms), "{age_ms}");
    assert_eq!(pool.points[1].opened_per_s, Some(2.0));
    for head in heads.lock().unwrap().iter() {
        assert_eq!(head["authorization"], "Basic bWU6c2VjcmV0");
        assert_eq!(head["x-scope-orgid"], "team-a");
    }
}

#[tokio::test]
async fn what_is_older_is_asked_for_one_pool_and_once() {
    let (addr, heads) = serve(|form| {
        if !form.contains("step=") {
            return well(form);
        }
        let form: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        let get = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
        let query = get("query");
        assert!(query.ends_with(r#",job="shop",instance="a1",server_address="pay"}"#), "{query}");
        let number = |name| get(name).parse::<f64>().unwrap() as u64;
        let steps = (number("start")..=number("end")).step_by(number("step") as usize);
        let mut one = series(OPENED, &[], &[]);
        one["values"] = steps.map(|at| json!([at, (at - number("start")).to_string()])).collect();
        axum::Json(json!({ "status": "success", "data": { "result": [one] } })).into_response()
    })
    .await;
    let (app, _) = asked(at(addr)).await;
    let held = pool(&app.store());
    let now = now_ms();
    let wanted = Wanted { since: Since::Moment(now - 7_200_000), to_ms: None, max_points: 100 };
    let state = app.prometheus.clone().unwrap();
    let members = [(held.summary.id.clone(), held.summary.instance.clone())];
    let before = heads.lock().unwrap().len();
    for _ in 0..3 {
        let asked = (held.clone(), Some(5_000), members.as_slice());
        let whole = complete(&state, &app.config, asked, wanted, now).await.unwrap();
        assert!((50..=101).contains(&whole.points.len()), "{}", whole.points.len());
        assert!(whole.points[0].at_ms < now - 7_000_000 && whole.points[50].opened_per_s == Some(1.0));
    }
    assert_eq!(heads.lock().unwrap().len(), before + 1);
    // What the store holds is not asked for.
    let recent = Wanted { since: Since::Moment(held.points[0].at_ms), ..wanted };
    let asked = (held.clone(), Some(5_000), members.as_slice());
    let kept = complete(&state, &app.config, asked, recent, now).await.unwrap();
    assert_eq!((kept.points.len(), heads.lock().unwrap().len()), (held.points.len(), before + 1));
}

/// The same of two instances, of which the second has twice as much.
fn both(values: &dyn Fn(u64) -> Json) -> Response {
    let result = [("a.1", 1), ("b|2", 2)].map(|(instance, each)| {
        let mut one = series(OPENED, &[("instance", instance)], &[]);
        one["values"] = values(each);
        one
    });
    axum::Json(json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }))
        .into_response()
}

#[tokio::test]
async fn what_is_older_of_a_group_is_asked_for_all_its_instances_at_once() {
    let (addr, heads) = serve(|form| {
        if form.contains("query=time") {
            return well(form);
        }
        if !form.contains("step=") {
            let now = now_ms() / 1_000;
            return both(&|_| json!([[now - 6, "1"], [now - 1, "11"]]));
        }
        let form: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        let get = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
        let query = get("query");
        let expected = r#",job="shop",instance=~"a\\.1|b\\|2",server_address="pay"}"#;
        assert!(query.ends_with(expected), "{query}");
        let number = |name| get(name).parse::<f64>().unwrap() as u64;
        let (start, step) = (number("start"), number("step"));
        let steps = move || (start..=number("end")).step_by(step as usize);
        both(&|each| steps().map(|at| json!([at, (each * (at - start)).to_string()])).collect())
    })
    .await;
    let (app, _) = asked(at(addr)).await;
    let (now, state) = (now_ms(), app.prometheus.clone().unwrap());
    let id = PoolId::parse(&app.store().groups()[0].merged.id).unwrap();
    let wanted = Wanted { since: Since::Moment(now - 7_200_000), to_ms: None, max_points: 100 };
    let held = app.store().pool_or_group(id, wanted, now).unwrap();
    assert!(held.points.len() < 10, "the store has what was asked for since it began");
    let members = app.store().members(id);
    let before = heads.lock().unwrap().len();
    for _ in 0..2 {
        let asked = (held.clone(), Some(5_000), members.as_slice());
        let whole = complete(&state, &app.config, asked, wanted, now).await.unwrap();
        assert!((50..=101).contains(&whole.points.len()), "{}", whole.points.len());
        assert!(whole.points[0].at_ms < now - 7_000_000 && whole.points[50].opened_per_s == Some(3.0));
    }
    assert_eq!(heads.lock().unwrap().len(), before + 1, "both at once, and once");
    // Where that is too much, what the store has is told.
    let mut config = app.config.clone();
    config.prometheus.prometheus_max_series = 1;
    let earlier = Wanted { since: Since::Moment(now - 9_000_000), ..wanted };
    let kept = complete(&state, &config, (held.clone(), Some(5_000), members.as_slice()), earlier, now)
        .await
        .unwrap();
    assert_eq!(kept.points, held.points);
}

/// The series of a breaker: its states, and its changes of state by their reason.
fn breaker_series(name: &str, more: &[(&str, &str)]) -> Json {
    let labels = [&[("poolscope_breaker_name", "pay")], more].concat();
    series(name, &labels, &[])
}

/// Open between 60 and 30 minutes ago, closed otherwise.
fn breaker_answer(times: &[u64]) -> Response {
    let now = now_ms() / 1_000;
    let is_open = move |at: u64| (now - 3_600..now - 1_800).contains(&at);
    let values = |value: &dyn Fn(u64) -> u64| -> Json {
        times.iter().map(|at| json!([at, value(*at).to_string()])).collect()
    };
    let state =
        |state: &str| breaker_series("poolscope_breaker_state", &[("poolscope_breaker_state", state)]);
    let mut result = [
        state("open"),
        state("closed"),
        breaker_series(
            "poolscope_breaker_transitions_total",
            &[("poolscope_breaker_reason", "failure_ratio")],
        ),
        breaker_series("poolscope_breaker_calls_total", &[("poolscope_breaker_outcome", "failure")]),
    ];
    result[0]["values"] = values(&|at| u64::from(is_open(at)));
    result[1]["values"] = values(&|at| u64::from(!is_open(at)));
    result[2]["values"] = values(&|at| u64::from(at >= now - 3_600));
    result[3]["values"] = values(&|at| at);
    axum::Json(json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }))
        .into_response()
}

#[tokio::test]
async fn what_is_older_is_asked_for_one_breaker_and_its_changes_are_told() {
    let (addr, heads) = serve(|form| {
        if form.contains("query=time") {
            return well(form);
        }
        if !form.contains("step=") {
            let now = now_ms() / 1_000;
            return breaker_answer(&[now - 6, now - 1]);
        }
        let form: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        let get = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
        let query = get("query");
        assert!(query.ends_with(r#",job="shop",instance="a1",poolscope_breaker_name="pay"}"#), "{query}");
        let number = |name| get(name).parse::<f64>().unwrap() as u64;
        breaker_answer(
            &(number("start")..=number("end")).step_by(number("step") as usize).collect::<Vec<_>>(),
        )
    })
    .await;
    let (app, _) = asked(at(addr)).await;
    let (now, state) = (now_ms(), app.prometheus.clone().unwrap());
    let id = Id::parse(&app.store().breakers()[0].id).unwrap();
    let wanted = Wanted { since: Since::Moment(now - 7_200_000), to_ms: None, max_points: 500 };
    let held = app.store().breaker_detail(id, wanted, now).unwrap();
    assert_eq!((held.transitions.len(), held.states.len()), (0, 1));
    let before = heads.lock().unwrap().len();
    for _ in 0..2 {
        let whole =
            complete_breaker(&state, &app.config, (held.clone(), Some(5_000)), wanted, now).await.unwrap();
        let states: Vec<_> = whole.states.iter().map(|span| span.state).collect();
        let (closed, open) = (BreakerState::Closed, BreakerState::Open);
        assert_eq!(states[..3], [closed, open, closed], "{:?}", whole.states);
        assert!(whole.states.windows(2).all(|pair| pair[0].to_ms <= pair[1].from_ms), "{:?}", whole.states);
        let told: Vec<_> = whole.transitions.iter().map(|one| (one.from, one.to, &*one.reason)).collect();
        assert_eq!(told, [(closed, open, "failure_ratio"), (open, closed, "unknown")]);
        let off = whole.transitions[0].at_ms.abs_diff(now - 3_600_000);
        assert!(off <= whole.range.step_ms + 1_000, "{off} ms off, in steps of {}", whole.range.step_ms);
        assert!(whole.points.first().unwrap().at_ms < now - 7_000_000);
        let off = whole.counted.failed.abs_diff(7_200);
        assert!(off <= 20, "one fails each second: {:?}, in steps of {}", whole.counted, whole.range.step_ms);
    }
    assert_eq!(heads.lock().unwrap().len(), before + 1);
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed_with_what_we_are_known_by() {
    let (addr, heads) =
        serve(|_| (StatusCode::FOUND, [("location", "http://evil.example/")]).into_response()).await;
    let config = Prometheus { prometheus_token: Some("secret".parse().unwrap()), ..at(addr) };
    let (_, status) = asked(config).await;
    assert!(status.problem.is_some_and(|problem| problem.contains("evil.example")));
    assert_eq!(heads.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn too_much_is_refused_and_told() {
    let (addr, _) =
        serve(
            |form| if form.contains("query=time") { well(form) } else { "x".repeat(100_000).into_response() },
        )
        .await;
    let (_, status) = asked(Prometheus { prometheus_max_bytes: 10_000, ..at(addr) }).await;
    assert!(status.problem.is_some_and(|problem| problem.contains("--prometheus-max-bytes")));
    let (addr, _) = serve(well).await;
    let (_, status) = asked(Prometheus { prometheus_max_series: 0, ..at(addr) }).await;
    assert!(status.problem.is_some_and(|problem| problem.contains("--prometheus-max-series")));
}

#[tokio::test]
async fn who_is_not_there_is_told_with_what_to_look_at() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let (_, status) = asked(at(addr)).await;
    assert!(
        status
            .problem
            .is_some_and(|problem| problem.contains("refused") && problem.contains("--prometheus-url"))
    );
    assert!(status.problem_since_ms.is_some() && status.failures == 1);
}
