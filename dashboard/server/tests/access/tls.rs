//! TLS on all listeners, certificates that change while it runs, and senders who have to show theirs.

use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use poolscope_dashboard::config::Login;
use poolscope_dashboard::{Config, DataSource, Server};
use poolscope_wire::path;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use rustls::crypto::ring::default_provider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{ClientTlsConfig, Endpoint};

use crate::{PATIENCE, Running, TOKEN, config, file, until};

/// An authority and the files of a certificate that it signed for loopback.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key for these names, as PEM.
    fn issue(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let signed = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (signed.pem(), key.serialize_pem())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client that trusts this authority and shows a certificate of another.
    fn client(&self, shown: Option<&Self>) -> Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let (cert, key) = authority.issue(&["sender"]);
                let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        let client = Client::builder().tls_backend_preconfigured(config).redirect(Policy::none());
        client.timeout(PATIENCE).pool_max_idle_per_host(0).build().unwrap()
    }
}

fn files(name: &str, (cert, key): &(String, String)) -> (PathBuf, PathBuf) {
    (file(&format!("{name}.crt"), cert), file(&format!("{name}.key"), key))
}

const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];

fn with_tls(cert: &Path, key: &Path) -> Config {
    config(|config| {
        config.tls.tls_cert = Some(cert.to_owned());
        config.tls.tls_key = Some(key.to_owned());
    })
}

#[tokio::test]
async fn all_three_listeners_speak_tls_and_certificates_are_renewed() {
    let (first, second) = (Authority::new(), Authority::new());
    let (cert, key) = files("server", &first.issue(&LOOPBACK));
    let mut config = with_tls(&cert, &key);
    config.access.login = Login::Token;
    config.access.login_token = TOKEN.parse().ok();
    let server = Running::start(config).await;
    let url = |port: u16, path: &str| format!("https://localhost:{port}{path}");
    let status = url(server.http.port(), path::STATUS);
    let ask = |client: Client| client.get(&status).bearer_auth(TOKEN).send();
    let answer = ask(first.client(None)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let told: poolscope_wire::Status = answer.json().await.unwrap();
    assert!(told.own.has_tls && told.otlp_grpc.starts_with("https://"), "{}", told.otlp_grpc);
    assert!(ask(second.client(None)).await.is_err());
    // Plain HTTP comes to nothing.
    assert!(server.get(path::HEALTH).send().await.is_err());

    let posted = first.client(None).post(url(server.otlp.port(), "/v1/metrics"));
    let posted = posted.header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::OK);
    // More than one provider can be compiled in; a second call changes nothing.
    let _ = default_provider().install_default();
    let trust = ClientTlsConfig::new().ca_certificate(tonic::transport::Certificate::from_pem(first.pem()));
    let endpoint = Endpoint::from_shared(url(server.grpc.port(), "")).unwrap().tls_config(trust).unwrap();
    let mut grpc = MetricsServiceClient::new(endpoint.connect().await.unwrap());
    grpc.export(ExportMetricsServiceRequest::default()).await.unwrap();

    let login = first.client(None).get(server.link.clone().unwrap()).send().await.unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-poolscope-login-") && cookie.ends_with("; Secure"), "{cookie}");

    // Half written files leave what is in force.
    std::fs::write(&cert, "-----BEGIN").unwrap();
    server.read_again();
    until("the failure is told", async || {
        let told: poolscope_wire::Status = ask(first.client(None)).await.unwrap().json().await.unwrap();
        told.own.failed_reloads > 0
    })
    .await;
    let (new_cert, new_key) = second.issue(&LOOPBACK);
    std::fs::write(&key, new_key).unwrap();
    std::fs::write(&cert, new_cert).unwrap();
    until("the new certificate", async || ask(second.client(None)).await.is_ok()).await;
    assert!(ask(first.client(None)).await.is_err());
    // What was connected before goes on.
    grpc.export(ExportMetricsServiceRequest::default()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_taken_back_is_out_of_force_although_a_certificate_is_half_written() {
    let authority = Authority::new();
    let (cert, key) = files("half", &authority.issue(&LOOPBACK));
    let keys = file("half.keys", "0123456789abcdef-old\n");
    let mut config = with_tls(&cert, &key);
    config.access.otlp_api_key_file = Some(keys.clone());
    let server = Running::start(config).await;
    let url = format!("https://localhost:{}/v1/metrics", server.otlp.port());
    let takes = async |key: &str| {
        let post = authority.client(None).post(&url).header("x-otlp-api-key", key);
        let answer = post.header("content-type", "application/json").body("{}").send().await.unwrap();
        answer.status() == StatusCode::OK
    };
    assert!(takes("0123456789abcdef-old").await);
    std::fs::write(&cert, "-----BEGIN").unwrap();
    std::fs::write(&keys, "0123456789abcdef-new\n").unwrap();
    server.read_again();
    until("the new key", || takes("0123456789abcdef-new")).await;
    assert!(!takes("0123456789abcdef-old").await);
}

#[tokio::test]
async fn senders_show_a_certificate_where_one_is_wanted_and_browsers_do_not() {
    let (ours, others) = (Authority::new(), Authority::new());
    let (cert, key) = files("mutual", &ours.issue(&LOOPBACK));
    let mut config = with_tls(&cert, &key);
    config.tls.otlp_client_ca = Some(file("clients.crt", &ours.pem()));
    let server = Running::start(config).await;
    let post = |client: Client| {
        let url = format!("https://localhost:{}/v1/metrics", server.otlp.port());
        client.post(url).header("content-type", "application/json").body("{}").send()
    };
    assert_eq!(post(ours.client(Some(&ours))).await.unwrap().status(), StatusCode::OK);
    assert!(post(ours.client(None)).await.is_err());
    assert!(post(ours.client(Some(&others))).await.is_err());
    let page = ours.client(None).get(format!("https://localhost:{}/", server.http.port()));
    assert_eq!(page.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn files_that_can_not_be_used_are_told_before_anything_runs() {
    let authority = Authority::new();
    let (cert, key) = files("good", &authority.issue(&LOOPBACK));
    let (_, other_key) = files("other", &authority.issue(&LOOPBACK));
    let told = async |config: Config| Server::bind(config).await.unwrap_err().to_string();
    let mut half = with_tls(&cert, &key);
    half.tls.tls_key = None;
    assert!(told(half).await.contains("--tls-key"));
    let both = |name: &str, flag: &str, path: &Path| {
        let told = format!("{flag} {}", path.display());
        (
            name.to_owned(),
            if flag == "--tls-cert" { with_tls(path, &key) } else { with_tls(&cert, path) },
            told,
        )
    };
    let crt = |text: &str| file("unusable.crt", text);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let nowhere = Path::new("/nowhere/cert.pem");
    for ((what, config, file), wanted) in [
        (both("missing", "--tls-cert", nowhere), "there is no such file"),
        (both("missing", "--tls-key", nowhere), "there is no such file"),
        (both("a directory", "--tls-key", &std::env::temp_dir()), "name a file in it"),
        (both("without an end", "--tls-key", Path::new("/dev/zero")), "longer than 4 MiB"),
        (both("empty", "--tls-cert", &crt("\n")), "it is empty"),
        (both("the key", "--tls-cert", &key), "begins with -----BEGIN CERTIFICATE-----"),
        (both("the certificate", "--tls-key", &cert), "begins with -----BEGIN PRIVATE KEY-----"),
        (both("another key", "--tls-key", &other_key), "the two that were made together"),
    ] {
        let told = told(config).await;
        assert!(told.contains(&file) && told.contains(wanted), "{what}: {told}");
    }
    assert!(told(with_tls(&crt("nothing"), &key)).await.contains("holds no certificate"));
    assert!(told(with_tls(&crt(broken), &key)).await.contains("is broken"));
    assert!(told(with_tls(&cert, &file("locked.key", locked))).await.contains("has a password"));
    let mut clients = with_tls(&cert, &key);
    clients.tls.otlp_client_ca = Some(key.clone());
    let clients = told(clients).await;
    assert!(clients.starts_with("--otlp-client-ca /") && clients.contains("no certificate"), "{clients}");
    for (flag, ca, own) in [
        ("--prometheus-ca", Some(nowhere), None),
        ("--prometheus-cert", None, Some((nowhere, &*key))),
        ("--prometheus-key", None, Some((&*cert, &*other_key))),
    ] {
        let asks = config(|config| {
            let prometheus = &mut config.prometheus;
            prometheus.source = DataSource::Prometheus;
            prometheus.prometheus_url = "https://127.0.0.1:1".parse().ok();
            prometheus.prometheus_ca = ca.map(Path::to_owned);
            prometheus.prometheus_cert = own.map(|(cert, _)| cert.to_owned());
            prometheus.prometheus_key = own.map(|(_, key)| key.to_owned());
        });
        let told = told(asks).await;
        assert!(
            told.starts_with("Prometheus can't be asked: --prometheus-") && told.contains(flag),
            "{told}"
        );
    }
    let keys = config(|config| config.access.otlp_api_key_file = Some(nowhere.to_owned()));
    assert!(told(keys).await.starts_with("--otlp-api-key-file /nowhere/cert.pem can't be used: "));
    let alone = config(|config| config.tls.otlp_client_ca = Some(cert.clone()));
    assert!(told(alone).await.contains("--tls-cert"));
}
