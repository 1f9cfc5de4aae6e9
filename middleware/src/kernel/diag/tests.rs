//! What the bytes say, and that no bytes do harm.

use std::time::Duration;

use super::*;

const NLMSG_NOOP: u16 = 1;
const INET_DIAG_MEMINFO: u16 = 1;

fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = ((HEADER_LEN + body.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attribute_bytes(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// 10 bytes sent again of 110, 300 received of which one is the FIN, our FIN acknowledged.
fn tcp_info_bytes() -> Vec<u8> {
    let mut bytes = vec![0; 280];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(68, &1_500_u32.to_ne_bytes());
    put(100, &3_u32.to_ne_bytes());
    put(120, &102_u64.to_ne_bytes());
    put(128, &300_u64.to_ne_bytes());
    put(148, &900_u32.to_ne_bytes());
    put(152, &2_u32.to_ne_bytes());
    put(200, &110_u64.to_ne_bytes());
    put(208, &10_u64.to_ne_bytes());
    bytes
}

fn socket_body(family: u8, state: u8, info: &[u8]) -> Vec<u8> {
    let mut body = vec![family, state, 0, 0];
    body.extend(40_000_u16.to_be_bytes());
    body.extend(443_u16.to_be_bytes());
    body.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.extend([10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(2_u32.to_ne_bytes());
    body.extend(77_u64.to_ne_bytes());
    body.extend([0; 16]);
    body.extend(5_u32.to_ne_bytes());
    body.extend(attribute_bytes(INET_DIAG_MEMINFO, &[1, 2, 3]));
    body.extend(attribute_bytes(INET_DIAG_INFO, info));
    body
}

fn only(bytes: &[u8]) -> Message {
    let messages: Vec<_> = messages(bytes).collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages[0].1
}

fn only_report(bytes: &[u8]) -> Report {
    match only(bytes) {
        Message::Socket(report) => report,
        other => panic!("not a socket: {other:?}"),
    }
}

#[test]
fn a_question_has_its_fields_where_the_kernel_reads_them() {
    let socket = Socket {
        local: "10.0.0.1:258".parse().unwrap(),
        peer: "10.0.0.2:772".parse().unwrap(),
        interface: 9,
        cookie: 0x0102_0304_0506_0708,
    };
    let bytes = question(&socket, 5);
    assert_eq!(bytes.len(), 72);
    assert_eq!(u32_at(&bytes, 0), Some(72));
    assert_eq!((u16_at(&bytes, 4), u16_at(&bytes, 6)), (Some(20), Some(1)));
    assert_eq!(u32_at(&bytes, 8), Some(5));
    assert_eq!(bytes[16..20], [AF_INET, 6, 0b10, 0]);
    assert_eq!(bytes[24..28], [1, 2, 3, 4], "ports, big end first");
    assert_eq!(bytes[28..32], [10, 0, 0, 1]);
    assert_eq!(bytes[44..48], [10, 0, 0, 2]);
    assert_eq!(u32_at(&bytes, 60), Some(9));
    assert_eq!(u64_at(&bytes, 64), Some(socket.cookie));
    assert_eq!(u16_at(&list_question(&socket, 5), 6), Some(0x301));
}

#[test]
fn a_report_is_read() {
    let report = only_report(&message(SOCK_DIAG_BY_FAMILY, 3, &socket_body(AF_INET, 7, &tcp_info_bytes())));
    assert_eq!(report.socket.local, "127.0.0.1:40000".parse().unwrap());
    assert_eq!(report.socket.peer, "10.1.2.3:443".parse().unwrap());
    assert_eq!((report.socket.interface, report.socket.cookie), (2, 77));
    assert!(report.has_owner);
    assert_eq!(report.fin_acknowledged, Some(true));
    let info = report.info.unwrap();
    assert_eq!(info.rtt, Duration::from_micros(1_500));
    assert_eq!(info.min_rtt, Some(Duration::from_micros(900)));
    assert_eq!(info.retransmits, 3);
    assert_eq!(info.bytes_sent, 100);
    assert_eq!((info.bytes_received, info.with_fin().bytes_received), (300, 299));
}

#[test]
fn a_state_with_the_peers_fin_takes_it_out_of_the_bytes_received() {
    let body = socket_body(AF_INET, TcpState::CLOSE_WAIT.0, &tcp_info_bytes());
    let info = only_report(&message(SOCK_DIAG_BY_FAMILY, 0, &body)).info.unwrap();
    assert_eq!((info.bytes_received, info.with_fin().bytes_received), (299, 299));
}

#[test]
fn a_connection_without_data_received_nothing_whatever_its_fin_counts() {
    let mut bytes = tcp_info_bytes();
    bytes[128..136].copy_from_slice(&1_u64.to_ne_bytes());
    bytes[152..156].fill(0);
    let info = TcpInfo::parse(&bytes).unwrap();
    assert_eq!((info.bytes_received, info.with_fin().bytes_received), (0, 0));
}

#[test]
fn an_old_kernels_shorter_counters_are_read_as_far_as_they_go() {
    let bytes = &tcp_info_bytes()[..160];
    assert_eq!(TcpInfo::parse(bytes).unwrap().bytes_sent, 101);
    assert_eq!(tcp_info::fin_acknowledged(bytes), None);
    assert_eq!(TcpInfo::parse(&bytes[..155]), None);
}

#[test]
fn messages_come_in_order_and_unknown_ones_are_passed_over() {
    let mut bytes = message(NLMSG_NOOP, 1, &[]);
    bytes.extend(message(NLMSG_ERROR, 2, &(-2_i32).to_ne_bytes()));
    bytes.extend(message(NLMSG_ERROR, 3, &0_i32.to_ne_bytes()));
    bytes.extend(message(SOCK_DIAG_BY_FAMILY, 4, &socket_body(AF_INET6, 1, &[])));
    bytes.extend(message(NLMSG_DONE, 5, &[0; 4]));
    let read: Vec<_> = messages(&bytes).collect();
    assert_eq!(read.len(), 3, "{read:?}");
    assert_eq!(read[0], (2, Message::Failed(Errno::NOENT)));
    assert!(
        matches!(read[1], (4, Message::Socket(report)) if report.info.is_none() && report.socket.local.is_ipv6())
    );
    assert_eq!(read[2], (5, Message::Done));
}

#[test]
fn what_is_cut_off_is_not_read() {
    let bytes = message(SOCK_DIAG_BY_FAMILY, 3, &socket_body(AF_INET, 1, &tcp_info_bytes()));
    for len in 0..bytes.len() {
        assert_eq!(messages(&bytes[..len]).count(), 0, "cut to {len}");
    }
    // The same with a header that agrees with the cut.
    for len in HEADER_LEN..bytes.len() {
        let mut cut = bytes[..len].to_vec();
        cut[..4].copy_from_slice(&(len as u32).to_ne_bytes());
        let is_whole = len >= HEADER_LEN + SOCKET_LEN;
        assert_eq!(messages(&cut).count(), usize::from(is_whole), "cut to {len}");
    }
}

#[test]
fn no_bytes_do_harm() {
    let mut bytes = message(NLMSG_ERROR, 1, &i32::MIN.to_ne_bytes());
    bytes.extend(message(SOCK_DIAG_BY_FAMILY, 3, &socket_body(AF_INET, 1, &tcp_info_bytes())));
    for at in 0..bytes.len() {
        for value in [0, 1, 3, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert!(messages(&bytes).count() <= 2);
        }
    }
    // Counters as high as they go, and a number that is no error.
    let body = socket_body(AF_INET, TcpState::CLOSE_WAIT.0, &[0xff; 280]);
    assert_eq!(only_report(&message(SOCK_DIAG_BY_FAMILY, 3, &body)).info.unwrap().bytes_sent, 0);
    assert_eq!(messages(&message(NLMSG_ERROR, 1, &(-5_000_i32).to_ne_bytes())).count(), 0);
}
