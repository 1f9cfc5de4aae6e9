//! The monitor against the kernel: real sockets, on loopback.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use self::support::{IPV4, Teller, abort, loopbacks, monitor, pair, until, watch};
use super::diag::ANY_COOKIE;
use super::lookups::{self, Answer, Lookups};
use super::*;

/// How soon an end is told that the kernel tells of: 0.1 ms, or 40 if the server sits on the acknowledgement of the FIN.
/// The rest is for busy machines; the sweep would not know how the connection ended.
const SOON: Duration = Duration::from_secs(1);

#[test]
fn a_close_by_the_client_is_told_soon_with_the_last_counters() {
    let monitor = monitor();
    for loopback in loopbacks() {
        let (mut client, mut server) = pair(loopback);
        let teller = Teller::new();
        watch(monitor, &client, &teller).unwrap();
        client.write_all(&[1; 1_000]).unwrap();
        server.read_exact(&mut [0; 1_000]).unwrap();
        server.write_all(&[2; 5_000]).unwrap();
        client.read_exact(&mut [0; 5_000]).unwrap();

        drop(client);
        let gone = teller.gone(SOON);
        assert_eq!(gone.ending, Some(Ending::Local), "{loopback}");
        let info = gone.info.unwrap();
        assert_eq!((info.bytes_sent, info.retransmits), (1_000, 0));
        assert_eq!(info.bytes_received, 5_000);
        assert!(info.min_rtt.unwrap() < SOON);
        drop(server);
    }
}

#[test]
fn a_close_by_the_server_is_told_soon_after_the_clients() {
    let monitor = monitor();
    for loopback in loopbacks() {
        let (mut client, mut server) = pair(loopback);
        let teller = Teller::new();
        watch(monitor, &client, &teller).unwrap();
        server.write_all(&[2; 70_000]).unwrap();
        drop(server);
        let mut body = Vec::new();
        client.read_to_end(&mut body).unwrap();

        drop(client);
        let gone = teller.gone(SOON);
        assert_eq!(gone.ending, Some(Ending::Peer), "{loopback}");
        let info = gone.info.unwrap();
        assert_eq!((info.bytes_sent, info.bytes_received), (0, 70_000));
    }
}

#[test]
fn a_reset_by_the_server_is_told_soon_after_the_clients_close() {
    let monitor = monitor();
    for loopback in loopbacks() {
        let (mut client, server) = pair(loopback);
        let teller = Teller::new();
        watch(monitor, &client, &teller).unwrap();
        client.write_all(&[1; 10]).unwrap();
        abort(server);
        assert!(client.read(&mut [0; 1]).is_err());

        drop(client);
        let gone = teller.gone(SOON);
        assert_eq!(gone.ending, Some(Ending::Aborted), "{loopback}");
        assert_eq!(gone.info.unwrap().bytes_sent, 10);
    }
}

#[test]
fn a_reset_by_the_client_is_told_soon_and_has_no_counters() {
    let monitor = monitor();
    for loopback in loopbacks() {
        let (mut client, _server) = pair(loopback);
        let teller = Teller::new();
        watch(monitor, &client, &teller).unwrap();
        client.write_all(&[1; 10]).unwrap();

        abort(client);
        let gone = teller.gone(SOON);
        assert_eq!((gone.ending, gone.info), (Some(Ending::Aborted), None), "{loopback}");
    }
}

#[test]
fn a_connection_that_nobody_used_has_no_bytes() {
    let monitor = monitor();
    for close_server_first in [true, false] {
        let (client, server) = pair(IPV4);
        let teller = Teller::new();
        let watched = watch(monitor, &client, &teller).unwrap();
        if close_server_first {
            drop(server);
            drop(client);
        } else {
            drop(client);
            drop(server);
        }
        for info in [watched.info, teller.gone(SOON).info] {
            let info = info.unwrap();
            assert_eq!((info.bytes_sent, info.bytes_received), (0, 0));
        }
    }
}

#[test]
fn every_watcher_of_a_connection_is_told_and_both_know_it_by_one_cookie() {
    let monitor = monitor();
    let (client, _server) = pair(IPV4);
    let tellers = [Teller::new(), Teller::new()];
    let cookies = tellers.each_ref().map(|teller| watch(monitor, &client, teller).unwrap().cookie);
    assert_eq!(cookies[0], cookies[1]);
    drop(client);
    assert_eq!(tellers[0].gone(SOON), tellers[1].gone(SOON));
}

#[test]
fn a_connection_that_is_gone_is_not_watched() {
    let monitor = monitor();
    let (client, server) = pair(IPV4);
    let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    drop(client);
    let teller = Teller::new();
    let refused = monitor.watch(local, peer, teller.weak()).unwrap_err();
    assert!(
        matches!(refused, WatchError::Gone(Gone { ending: Some(Ending::Local), .. })),
        "its rest is in FIN_WAIT: {refused:?}"
    );
    abort(server);
}

#[test]
fn another_connection_of_the_same_addresses_is_not_taken_for_the_first() {
    // Addresses of its own, lest somebody else takes the ports meanwhile.
    let listener = TcpListener::bind("127.0.0.72:0").unwrap();
    let connect = |local: SocketAddr| {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.bind(&local.into()).unwrap();
        client.connect(&listener.local_addr().unwrap().into()).unwrap();
        TcpStream::from(client)
    };
    let first = connect("127.0.0.71:0".parse().unwrap());
    let (local, peer) = (first.local_addr().unwrap(), first.peer_addr().unwrap());
    let mut lookups = Lookups::new(probe::open().unwrap()).unwrap();
    let Answer::Found(report) = lookups.find(local, peer).unwrap() else {
        panic!("an open socket is missing")
    };
    assert_ne!(report.socket.cookie, ANY_COOKIE);
    assert!(matches!(lookups.ask_all(&[report.socket]).unwrap()[..], [Answer::Found(_)]));

    // Reset, so that nothing of it stays behind.
    abort(first);
    until("the first to be gone", || lookups.ask_all(&[report.socket]).unwrap()[0] == Answer::Missing);
    let _second = connect(local);
    let found = lookups.find(local, peer).unwrap();
    assert!(matches!(found, Answer::Found(second) if second.socket.cookie != report.socket.cookie));
    assert_eq!(lookups.ask_all(&[report.socket]).unwrap(), [Answer::Missing]);
}

#[test]
fn a_socket_bound_to_an_interface_is_found() {
    let monitor = monitor();
    for loopback in loopbacks() {
        let listener = TcpListener::bind(support::listen_on(loopback)).unwrap();
        let to = SocketAddr::new(loopback.parse().unwrap(), listener.local_addr().unwrap().port());
        let bound = || {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
            socket.bind_device(Some(b"lo")).unwrap();
            socket.connect(&to.into()).unwrap();
            TcpStream::from(socket)
        };
        // The second is found by what the first taught, and so is one without an interface.
        for client in [bound(), bound(), TcpStream::connect(to).unwrap()] {
            let teller = Teller::new();
            watch(monitor, &client, &teller).unwrap();
            abort(client);
            assert_eq!(teller.gone(SOON).ending, Some(Ending::Aborted), "{loopback}");
        }
    }
}

#[test]
fn the_sweep_finds_a_closed_connection_whose_peer_takes_no_fin_and_tells_of_open_ones() {
    let monitor = monitor();
    let (mut stuck, stuck_server) = pair(IPV4);
    let (mut open, mut server) = pair(IPV4);
    let (stuck_teller, open_teller) = (Teller::new(), Teller::new());
    watch(monitor, &stuck, &stuck_teller).unwrap();
    watch(monitor, &open, &open_teller).unwrap();

    // The FIN queues up behind bytes for which the server has no room.
    stuck.set_nonblocking(true).unwrap();
    while stuck.write(&[0; 65_536]).is_ok() {}
    drop(stuck);
    open.write_all(&[1; 10]).unwrap();
    server.read_exact(&mut [0; 10]).unwrap();
    drop(server);

    let gone = stuck_teller.gone(Duration::from_secs(5));
    assert_eq!(gone.ending, Some(Ending::Local));
    assert!(gone.info.unwrap().bytes_sent > 0);
    let (info, peer_closed) = open_teller.seen(Duration::from_secs(5));
    assert_eq!((info.bytes_sent, peer_closed), (10, true));
    drop(stuck_server);
}

#[test]
fn messages_that_were_lost_are_made_up_for() {
    const ROUNDS: usize = 30;
    const EACH: usize = 200;
    // Without more room than any socket has.
    let monitor = Monitor::start(lookups::netlink_socket).unwrap();

    // A watcher that does not return keeps the thread from reading.
    struct Blocker(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>);
    impl Watcher for Blocker {
        fn gone(&self, _: Gone) {
            self.0.send(()).unwrap();
            let _ = self.1.lock().unwrap().recv();
        }
    }
    let (blocked, is_blocked) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let blocker: Arc<dyn Watcher> = Arc::new(Blocker(blocked, Mutex::new(released)));
    let (client, _server) = pair(IPV4);
    monitor
        .watch(client.local_addr().unwrap(), client.peer_addr().unwrap(), Arc::downgrade(&blocker))
        .unwrap();
    drop(client);
    is_blocked.recv_timeout(Duration::from_secs(20)).unwrap();

    let mut tellers = Vec::new();
    for _ in 0..ROUNDS {
        let pairs: Vec<_> = (0..EACH).map(|_| pair(IPV4)).collect();
        for (client, server) in pairs {
            let teller = Teller::new();
            watch(&monitor, &client, &teller).unwrap();
            tellers.push(teller);
            abort(client);
            drop(server);
        }
    }
    assert_eq!(monitor.overflows(), 0, "nothing was read");
    drop(release);
    for teller in &tellers {
        teller.gone(Duration::from_secs(20));
    }
    assert!(monitor.overflows() > 0);
    // Each was told once.
    assert!(tellers.iter().all(Teller::is_silent));
}

#[test]
fn a_close_that_races_with_the_watch_is_told_once_or_refused() {
    let monitor = monitor();
    let mut tellers = Vec::new();
    let mut refused = 0;
    for nth in 0..400 {
        let (client, server) = pair(IPV4);
        let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let teller = Teller::new();
        let watched = std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..(nth % 40) * 20 {
                    std::hint::spin_loop();
                }
                abort(client);
            });
            monitor.watch(local, peer, teller.weak())
        });
        match watched {
            Ok(_) => tellers.push(teller),
            Err(WatchError::Gone(_)) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
        drop(server);
    }
    for teller in &tellers {
        teller.gone(SOON);
    }
    assert!(tellers.iter().all(Teller::is_silent));
    assert_eq!(tellers.len() + refused, 400);
}

#[test]
fn a_panic_of_a_watcher_ends_nothing() {
    struct Panics;
    impl Watcher for Panics {
        fn gone(&self, _: Gone) {
            panic!("on purpose");
        }
    }
    let monitor = monitor();
    let (client, _server) = pair(IPV4);
    let panics: Arc<dyn Watcher> = Arc::new(Panics);
    let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    monitor.watch(local, peer, Arc::downgrade(&panics)).unwrap();
    let teller = Teller::new();
    watch(monitor, &client, &teller).unwrap();
    drop(client);
    teller.gone(SOON);

    let (client, _server) = pair(IPV4);
    let teller = Teller::new();
    watch(monitor, &client, &teller).unwrap();
    drop(client);
    teller.gone(SOON);
}

#[test]
fn a_watcher_that_is_dropped_is_forgotten_and_the_monitor_rests_until_the_next() {
    let monitor = Monitor::start(probe::open).unwrap();
    assert!(monitor.is_resting());
    let (client, _server) = pair(IPV4);
    let teller = Teller::new();
    watch(&monitor, &client, &teller).unwrap();
    assert!(!monitor.is_resting());
    drop(teller);
    until("the monitor to rest", || monitor.is_resting());

    let teller = Teller::new();
    watch(&monitor, &client, &teller).unwrap();
    drop(client);
    teller.gone(SOON);
}

#[test]
fn a_refusal_says_what_was_refused() {
    let refused = Monitor::start(|| Err(Errno::ACCESS)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "refused a netlink socket (NETLINK_SOCK_DIAG): Permission denied (os error 13)"
    );
}

#[test]
fn the_monitor_of_the_process_is_one() {
    let first = Monitor::get().unwrap();
    assert!(std::ptr::eq(first, Monitor::get().unwrap()));
}
