//! The kernel's own table of sockets: the outside truth about open connections.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// State of an established connection in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";
/// State of a connection whose peer has closed, and this side not yet.
const CLOSE_WAIT: &str = "08";

/// Established IPv4 connections to a peer, by their local address, as `ss` would list them.
///
/// # Errors
/// Where the table can't be read: it is Linux's.
pub fn established_to(peer: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    connections_to(peer, &[ESTABLISHED])
}

/// IPv4 connections to a peer that this side has not closed, by their local address, whatever the peer did.
///
/// # Errors
/// Where the table can't be read: it is Linux's.
pub fn held_to(peer: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    connections_to(peer, &[ESTABLISHED, CLOSE_WAIT])
}

fn connections_to(peer: SocketAddr, states: &[&str]) -> io::Result<Vec<SocketAddr>> {
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
        states.contains(&state).then_some((address(local)?, address(remote)?))
    });
    // A table that changes while it is read may have a row twice.
    let locals: BTreeSet<_> = rows.filter(|(_, remote)| *remote == peer).map(|(local, _)| local).collect();
    Ok(locals.into_iter().collect())
}

/// Reads `0100007F:1F90`: the address is a number of the machine's own byte order, the port is not.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = u32::from_str_radix(ip, 16).ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip.to_ne_bytes())), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_our_own_is_in_the_table_until_it_is_closed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(server).unwrap();
        assert_eq!(established_to(server).unwrap(), [client.local_addr().unwrap()]);
        drop(client);
        assert!(established_to(server).unwrap().is_empty());
    }
}
