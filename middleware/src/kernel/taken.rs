//! [`Taken`]: how much the other end of a connection has taken of what was sent to it.

use std::net::SocketAddr;

use rustix::io::Errno;

use super::lookups::{Answer, Lookups, netlink_socket};

/// What the other end has acknowledged, and what it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes that it has acknowledged since the connection was made.
    pub(crate) acknowledged: u64,
    /// Bytes that are still to be sent, or to be acknowledged.
    pub(crate) left: u32,
}

/// What the kernel says of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Taken(Taken),
    /// It knows of none with these addresses: it is gone, or of another network namespace.
    Unknown,
    /// It did not answer, for want of memory say.
    Nothing,
}

/// Asks the kernel about single connections.
#[derive(Debug)]
pub(crate) struct Asker(Lookups);

impl Asker {
    /// `None` where this process may not ask.
    pub(crate) fn open() -> Option<Self> {
        netlink_socket().and_then(Lookups::new).map(Self).ok()
    }

    pub(crate) fn ask(&mut self, local: SocketAddr, peer: SocketAddr) -> Said {
        match self.0.find(local, peer) {
            // Of a connection that it does not know, the kernel tells of the socket that listens there.
            Ok(Answer::Found(report)) if report.socket.peer.port() != peer.port() => Said::Unknown,
            Ok(Answer::Found(report)) => match report.info {
                Some(info) => {
                    Said::Taken(Taken { acknowledged: info.bytes_acked, left: report.unacknowledged })
                }
                None => Said::Unknown,
            },
            Ok(Answer::Missing | Answer::Failed(Errno::OPNOTSUPP)) => Said::Unknown,
            Ok(Answer::Failed(_)) | Err(_) => Said::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_a_client_has_taken_is_told_of_both_versions_of_ip_and_of_one_in_the_other() {
        let mapped = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let of_mapped = (Ipv4Addr::LOCALHOST, mapped.local_addr().unwrap().port()).into();
        let [v4, v6] = [
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap(),
        ];
        let [of_v4, of_v6] = [v4.local_addr().unwrap(), v6.local_addr().unwrap()];
        let mut asker = Asker::open().unwrap();
        for (listener, addr) in [(v4, of_v4), (v6, of_v6), (mapped, of_mapped)] {
            let _client = TcpStream::connect(addr).unwrap();
            let (mut served, peer) = listener.accept().unwrap();
            let local = served.local_addr().unwrap();
            served.write_all(&[7; 1_000]).unwrap();
            let begin = Instant::now();
            loop {
                match asker.ask(local, peer) {
                    Said::Taken(Taken { left: 0, acknowledged }) => {
                        assert!((1_000..=1_001).contains(&acknowledged), "{acknowledged}");
                        break;
                    }
                    said => assert!(begin.elapsed() < Duration::from_secs(10), "{said:?} of {local}"),
                }
            }
            // Its client reads nothing, so that the kernels are full soon.
            served.set_nonblocking(true).unwrap();
            while served.write(&[7; 65_536]).is_ok() {}
            let Said::Taken(taken) = asker.ask(local, peer) else { panic!("no answer") };
            assert!(taken.left > 0, "{taken:?}");
            assert_eq!(asker.ask(peer, peer), Said::Unknown);
            let nobody = SocketAddr::new(peer.ip(), 1);
            assert_eq!(asker.ask(local, nobody), Said::Unknown, "that is the socket that listens");
        }
    }
}
