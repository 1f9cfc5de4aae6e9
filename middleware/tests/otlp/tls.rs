//! TLS with a private authority and a client certificate, over gRPC and HTTP, for all signals.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use poolscope::Scope;
use poolscope::otlp::{Lost, Otlp, OtlpError, Protocol};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::export;
use crate::partial::{lines, listen_to_the_log};
use crate::receiver::{Manner, Receiver, any_port};
use crate::traffic::{failed_request, spans};

const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

/// An authority, and a server and a client that it vouches for; all of it in files too.
struct Pki {
    authority: rcgen::Certificate,
    server: (rcgen::Certificate, KeyPair),
    folder: PathBuf,
}

impl Pki {
    fn get() -> &'static Self {
        static PKI: OnceLock<Pki> = OnceLock::new();
        PKI.get_or_init(|| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let authority = params.self_signed(&key).unwrap();
            let issuer = Issuer::new(params, key);
            let leaf = |name: &str| {
                let key = KeyPair::generate().unwrap();
                let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
                (params.signed_by(&key, &issuer).unwrap(), key)
            };
            let (server, client) = (leaf("localhost"), leaf("client"));
            let folder = std::env::temp_dir().join(format!("poolscope-otlp-tls-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
            write("authority.pem", authority.pem());
            write("client.pem", client.0.pem());
            write("client.key", client.1.serialize_pem());
            write("other.key", KeyPair::generate().unwrap().serialize_pem());
            write("empty.pem", String::new());
            write(
                "garbage.pem",
                "-----BEGIN CERTIFICATE-----\nno base64!\n-----END CERTIFICATE-----\n".to_owned(),
            );
            Self { authority, server, folder }
        })
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}

/// Takes TLS off in front of a receiver; asks clients for a certificate if they must have one.
async fn terminator(receiver: SocketAddr, protocol: Protocol, asks: bool) -> String {
    let pki = Pki::get();
    let provider = Arc::new(ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = match asks {
        true => {
            let mut roots = RootCertStore::empty();
            roots.add(pki.authority.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.unwrap().with_client_cert_verifier(verifier.build().unwrap())
        }
        false => config.unwrap().with_no_client_auth(),
    };
    let key = PrivateKeyDer::try_from(pki.server.1.serialize_der()).unwrap();
    let mut config = config.with_single_cert(vec![pki.server.0.der().clone()], key).unwrap();
    config.alpn_protocols = match protocol {
        Protocol::Grpc => vec![b"h2".to_vec()],
        Protocol::HttpProtobuf => vec![b"http/1.1".to_vec()],
    };
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(receiver).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut plain).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

fn receiver(protocol: Protocol) -> Receiver {
    match protocol {
        Protocol::Grpc => Receiver::grpc(Manner::default()),
        Protocol::HttpProtobuf => Receiver::http(Manner::default()),
    }
}

fn with_files(scope: &Scope, url: &str, vars: &'static [(&str, &str)]) -> Otlp {
    export(scope, url).environment(move |name| {
        let file = vars.iter().find(|(key, _)| name.strip_prefix("OTEL_EXPORTER_OTLP_") == Some(*key))?.1;
        Some(Pki::get().file(file))
    })
}

async fn three_signals(receiver: &Receiver, scope: &Scope, export: Otlp) {
    let telemetry = export.timeout(Duration::from_secs(10)).start().unwrap();
    spans(&telemetry, 3);
    failed_request(scope).await;
    assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await, Lost::default());
    let received = receiver.received();
    assert!(received.spans() >= 3 && received.records() == 1 && !received.metrics.is_empty());
}

#[tokio::test]
async fn a_private_authority_is_trusted() {
    for protocol in BOTH {
        let receiver = receiver(protocol);
        let url = terminator(receiver.addr, protocol, false).await;
        let scope = Scope::new();
        let by_variable = with_files(&scope, &url, &[("CERTIFICATE", "authority.pem")]);
        three_signals(&receiver, &scope, by_variable.protocol(protocol)).await;
        let receiver = self::receiver(protocol);
        let url = terminator(receiver.addr, protocol, true).await;
        let scope = Scope::new();
        let pki = Pki::get();
        let by_builder = export(&scope, &url)
            .protocol(protocol)
            .certificate(pki.file("authority.pem"))
            .client_certificate(pki.file("client.pem"), pki.file("client.key"));
        three_signals(&receiver, &scope, by_builder).await;
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_to_those_who_ask() {
    for protocol in BOTH {
        let receiver = receiver(protocol);
        let url = terminator(receiver.addr, protocol, true).await;
        let scope = Scope::new();
        let export = with_files(
            &scope,
            &url,
            &[
                ("CERTIFICATE", "authority.pem"),
                ("METRICS_CLIENT_CERTIFICATE", "client.pem"),
                ("METRICS_CLIENT_KEY", "client.key"),
                ("TRACES_CLIENT_CERTIFICATE", "client.pem"),
                ("TRACES_CLIENT_KEY", "client.key"),
                ("CLIENT_CERTIFICATE", "client.pem"),
                ("CLIENT_KEY", "client.key"),
            ],
        );
        three_signals(&receiver, &scope, export.protocol(protocol)).await;
    }
}

#[tokio::test]
async fn nobody_is_trusted_by_chance() {
    listen_to_the_log();
    for protocol in BOTH {
        let receiver = receiver(protocol);
        for (asks, vars) in [(false, [].as_slice()), (true, &[("CERTIFICATE", "authority.pem")])] {
            let url = terminator(receiver.addr, protocol, asks).await;
            let scope = Scope::new();
            let export = with_files(&scope, &url, vars).protocol(protocol);
            let telemetry = export.timeout(Duration::from_secs(1)).start().unwrap();
            spans(&telemetry, 3);
            let lost = telemetry.shutdown_async(Duration::from_secs(5)).await;
            assert_eq!(lost.spans, 3, "{protocol:?}, client certificate wanted: {asks}");
            assert!(lost.points > 0);
            assert_eq!(receiver.received().spans(), 0);
            let lines = lines(&url);
            let told = lines.iter().find(|line| line.contains("spans")).unwrap();
            assert!(told.contains("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"), "{told}");
            // A receiver that wants a certificate may close the connection before the client has read why.
            assert!(asks || told.contains("TLS with"), "{told}");
            // The causes are told in words, each once.
            assert!(!told.contains("Error(") && told.matches("UnknownIssuer").count() <= 1, "{told}");
        }
    }
}

#[test]
fn a_bad_file_is_told_with_its_path() {
    for (vars, variable, reason) in [
        ([("CERTIFICATE", "missing.pem")].as_slice(), "OTEL_EXPORTER_OTLP_CERTIFICATE", "No such file"),
        (&[("LOGS_CERTIFICATE", "empty.pem")], "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "no certificate"),
        (&[("CERTIFICATE", "garbage.pem")], "OTEL_EXPORTER_OTLP_CERTIFICATE", "no certificate"),
        (&[("CERTIFICATE", "client.key")], "OTEL_EXPORTER_OTLP_CERTIFICATE", "no certificate"),
        (
            &[("CLIENT_CERTIFICATE", "client.pem"), ("CLIENT_KEY", "client.pem")],
            "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            "no private key",
        ),
        (&[("CLIENT_CERTIFICATE", "client.pem")], "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "CLIENT_KEY"),
        (&[("CLIENT_KEY", "client.key")], "OTEL_EXPORTER_OTLP_CLIENT_KEY", "CLIENT_CERTIFICATE"),
    ] {
        let error = with_files(&Scope::new(), "https://localhost:1", vars).start().unwrap_err();
        let OtlpError::File { name, path, .. } = &error else { panic!("{error}") };
        let text = error.to_string();
        assert_eq!(name, variable);
        assert!(
            text.contains(reason) && text.contains(path) && path.contains("poolscope-otlp-tls"),
            "{text}"
        );
        // Without TLS the files are not looked at.
        with_files(&Scope::new(), "http://localhost:1", vars)
            .start()
            .unwrap()
            .shutdown_within(Duration::ZERO);
    }
}

#[test]
fn a_key_of_another_certificate_is_refused_at_the_start() {
    for protocol in BOTH {
        let vars = &[("CLIENT_CERTIFICATE", "client.pem"), ("CLIENT_KEY", "other.key")];
        let export = with_files(&Scope::new(), "https://localhost:1", vars).protocol(protocol);
        let error = export.certificate(Pki::get().file("authority.pem")).start().unwrap_err();
        assert!(matches!(error, OtlpError::Exporter { .. }), "{error}");
    }
}
