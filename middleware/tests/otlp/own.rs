//! The export's own traffic is nobody's: not with a wrapped client to the very same place in the same process.

use std::time::Duration;

use poolscope::Scope;
use poolscope_semconv::attr;

use crate::arrival::text;
use crate::http_export;
use crate::receiver::{Manner, Receiver};
use crate::traffic::{self, wait_for};

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn pools_to_the_receiver_s_address_count_only_what_the_application_sends_there() {
    use poolscope::reqwest::{ConnectLayer, RequestLayer};
    use tower::{Layer, Service, ServiceExt};

    const REQUESTS: u64 = 5;
    let receiver = Receiver::http(Manner::default());
    let scope = Scope::new();
    let telemetry =
        http_export(&scope, &receiver.url()).metrics_interval(Duration::from_millis(20)).start().unwrap();
    let wrapped = scope.client("wrapped");
    let client = reqwest::Client::builder().no_proxy().connector_layer(ConnectLayer::new(&wrapped));
    let mut client = RequestLayer::new(&wrapped).layer(client.build().unwrap());
    let mut hyper = traffic::client(&scope, "hyper");
    for _ in 0..REQUESTS {
        let before = receiver.received().attempts_of("metrics").len();
        let url = format!("{}/page", receiver.url());
        let request = reqwest::Request::new(reqwest::Method::GET, url.parse().unwrap());
        let answer = client.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
        let request = http::Request::get(url).body(http_body_util::Empty::new()).unwrap();
        hyper.ready().await.unwrap().call(request).await.unwrap();
        // Both kinds of traffic go on side by side.
        wait_for("an export", || receiver.received().attempts_of("metrics").len() > before + 1).await;
    }
    let snapshot = scope.snapshot();
    assert_eq!(
        snapshot.pools.len(),
        2,
        "{:?}",
        snapshot.pools.iter().map(|pool| &pool.client).collect::<Vec<_>>()
    );
    for pool in &snapshot.pools {
        assert_eq!((pool.acquired, pool.opened), (REQUESTS, 1), "{}", pool.client);
        assert_eq!(pool.closed, [], "{}", pool.client);
    }
    telemetry.shutdown_async(Duration::from_secs(5)).await;
    let received = receiver.received();
    let spans: Vec<_> = received
        .traces
        .iter()
        .flat_map(|request| &request.resource_spans)
        .flat_map(|of| &of.scope_spans)
        .flat_map(|of| &of.spans)
        .collect();
    let urls: Vec<_> = spans.iter().filter_map(|span| text(&span.attributes, attr::URL_FULL)).collect();
    assert_eq!(urls.len() as u64, 2 * REQUESTS);
    assert!(urls.iter().all(|url| url.ends_with("/page")), "{urls:?}");
    assert!(received.metrics.len() as u64 >= REQUESTS);
}
