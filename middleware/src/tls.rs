//! TLS handshakes of rustls, seen from inside.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use poolscope_semconv::value::ConnectPhase;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, KeyLog, NamedGroup};

use crate::current;

/// Sessions that are remembered for resumption; what rustls does by default.
const SESSIONS: usize = 256;

/// Labels of the secrets that a client has when its handshake is done: of TLS 1.3 and of TLS 1.2.
const DONE: [&str; 2] = ["CLIENT_TRAFFIC_SECRET_0", "CLIENT_RANDOM"];

/// Makes the handshakes of a rustls configuration tell when they begin and end, so that transport and TLS are timed apart
/// also where the client hides the transport, as reqwest does.
///
/// The key log of the configuration stays; its resumption is replaced by rustls' default of 256 sessions in memory. rustls
/// asks for a session when the transport is there, and tells the key log when the handshake is done: no secret is kept.
/// What comes before the handshake is `tcp`; through a proxy, the tunnel that is asked for (`CONNECT`) is part of it.
///
/// ```
/// # // reqwest knows of TLS only when something turns it on in it.
/// # #[cfg(feature = "otlp-tls")]
/// # fn run(mut config: rustls::ClientConfig) -> Result<(), Box<dyn std::error::Error>> {
/// use poolscope::{Scope, reqwest::ConnectLayer};
///
/// poolscope::observe_tls(&mut config);
/// let client = reqwest::Client::builder()
///     .tls_backend_preconfigured(config)
///     .connector_layer(ConnectLayer::new(&Scope::new().client("search")))
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub fn observe_tls(config: &mut ClientConfig) {
    config.key_log = Arc::new(ObservedKeyLog(Arc::clone(&config.key_log)));
    config.resumption = Resumption::store(Arc::new(ObservedStore(ClientSessionMemoryCache::new(SESSIONS))));
}

#[derive(Debug)]
struct ObservedKeyLog(Arc<dyn KeyLog>);

impl KeyLog for ObservedKeyLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if DONE.contains(&label)
            && let Some(attempt) = current::attempt()
        {
            attempt.end(ConnectPhase::Tls);
        }
        if self.0.will_log(label) {
            self.0.log(label, client_random, secret);
        }
    }

    fn will_log(&self, label: &str) -> bool {
        DONE.contains(&label) || self.0.will_log(label)
    }
}

struct ObservedStore(ClientSessionMemoryCache);

impl Debug for ObservedStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ObservedStore")
    }
}

fn begin() {
    if let Some(attempt) = current::attempt() {
        attempt.begin(ConnectPhase::Tls);
    }
}

impl ClientSessionStore for ObservedStore {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        begin();
        self.0.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        begin();
        self.0.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.0.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        begin();
        self.0.take_tls13_ticket(server_name)
    }
}
