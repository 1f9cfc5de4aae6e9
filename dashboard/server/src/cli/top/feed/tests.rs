use crate::{Config, Server};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_lost_dashboard_is_told_and_found_again() {
    let any = ([127, 0, 0, 1], 0).into();
    let mut config = Config { http_addr: any, otlp_grpc_addr: any, otlp_http_addr: any, ..Config::default() };
    let serve = async |config: Config| {
        let server = Server::bind(config).await.unwrap();
        let address = server.http_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        (address, stop, tokio::spawn(server.run(async { drop(stopped.await) })))
    };
    let (address, stop, task) = serve(config.clone()).await;
    let client = Client::new(&format!("http://{address}/"), None, None).unwrap();
    client.status().await.unwrap();
    let first = client.stream().await.unwrap();
    let mut news = start(client, first);
    let mut next = async || timeout(PATIENCE, news.recv()).await.unwrap().unwrap();
    let is_full =
        |news: &News| matches!(news, News::Message(message) if matches!(**message, ServerMessage::Full(_)));
    assert!(is_full(&next().await));
    drop(stop);
    task.await.unwrap().unwrap();
    while !matches!(next().await, News::Lost(_)) {}
    config.http_addr = address;
    let _again = serve(config).await;
    while !is_full(&next().await) {}
}
