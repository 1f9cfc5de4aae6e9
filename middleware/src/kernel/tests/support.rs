//! Connections on loopback, and a watcher that hands on what it is told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::Instant;

use rustix::net::sockopt::set_socket_linger;

use crate::kernel::monitor::Watched;
use crate::kernel::{Gone, Monitor, TcpInfo, WatchError, Watcher};

pub(super) const IPV4: &str = "127.0.0.1";

/// IPv4, and where there is IPv6, that and IPv4 by an IPv6 socket.
pub(super) fn loopbacks() -> &'static [&'static str] {
    let all = &[IPV4, "::1", "::ffff:127.0.0.1"];
    if TcpListener::bind("[::1]:0").is_ok() { all } else { &all[..1] }
}

/// The monitor of the process: each more would make the kernel's messages slower for all.
pub(super) fn monitor() -> &'static Monitor {
    Monitor::get().unwrap()
}

/// Where to listen so that a connect to this loopback address comes in.
pub(super) fn listen_on(loopback: &str) -> SocketAddr {
    match loopback.parse().unwrap() {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => (Ipv4Addr::LOCALHOST, 0).into(),
        ip => (ip, 0).into(),
    }
}

/// A connection: the client's end and the server's.
pub(super) fn pair(loopback: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(listen_on(loopback)).unwrap();
    let to = SocketAddr::new(loopback.parse().unwrap(), listener.local_addr().unwrap().port());
    let client = TcpStream::connect(to).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Closes with a reset.
pub(super) fn abort(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

pub(super) fn watch(monitor: &Monitor, client: &TcpStream, teller: &Teller) -> Result<Watched, WatchError> {
    monitor.watch(client.local_addr().unwrap(), client.peer_addr().unwrap(), teller.weak())
}

pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Sender {
    gone: mpsc::Sender<Gone>,
    seen: mpsc::Sender<(TcpInfo, bool)>,
}

impl Watcher for Sender {
    fn gone(&self, gone: Gone) {
        self.gone.send(gone).unwrap();
    }

    fn seen(&self, info: TcpInfo, peer_closed: bool) {
        self.seen.send((info, peer_closed)).unwrap();
    }
}

/// Hands on what a watcher is told.
pub(super) struct Teller {
    watcher: Arc<dyn Watcher>,
    gone: Receiver<Gone>,
    seen: Receiver<(TcpInfo, bool)>,
}

impl Teller {
    pub(super) fn new() -> Self {
        let ((gone_sender, gone), (seen_sender, seen)) = (mpsc::channel(), mpsc::channel());
        Self { watcher: Arc::new(Sender { gone: gone_sender, seen: seen_sender }), gone, seen }
    }

    pub(super) fn weak(&self) -> Weak<dyn Watcher> {
        Arc::downgrade(&self.watcher)
    }

    pub(super) fn gone(&self, within: Duration) -> Gone {
        self.gone.recv_timeout(within).expect("the end is told in time")
    }

    pub(super) fn seen(&self, within: Duration) -> (TcpInfo, bool) {
        self.seen.recv_timeout(within).expect("the sweep tells in time")
    }

    /// True if there is nothing more to be told.
    pub(super) fn is_silent(&self) -> bool {
        self.gone.recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Timeout)
    }
}
