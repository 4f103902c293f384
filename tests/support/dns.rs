//! A DNS server on loopback that says what a test tells it to, as resolver and as server of every zone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, NS, SOA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

/// What the server says of a name.
#[derive(Clone, Debug)]
pub enum Says {
    /// Records: kind and value.
    Records(Vec<(&'static str, String)>),
    /// The same, and only over TCP: an answer over UDP is cut.
    Long(Vec<(&'static str, String)>),
    /// It leads to these servers, and says nothing itself.
    Leads(Vec<String>),
    /// It fails, as a resolver does for a zone whose signatures are broken.
    Fails,
    /// It does not serve the zone.
    Refuses,
    /// It never answers.
    Silent,
    /// It says which name has servers, and nothing else.
    Mute,
}

/// A server, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    names: Arc<Mutex<BTreeMap<String, Says>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    /// A server that knows nothing but the zone `example.org`.
    pub async fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
            // Somebody else may have the same port for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("an address");
        let names: Arc<Mutex<BTreeMap<String, Says>>> = Arc::default();
        let (over_udp, over_tcp) = (Arc::clone(&names), Arc::clone(&names));
        let tasks = vec![
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok((length, sender)) = udp.recv_from(&mut buffer).await {
                    if let Some(answer) = answer(&over_udp, &buffer[..length], false) {
                        let _ = udp.send_to(&answer, sender).await;
                    }
                }
            }),
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = tcp.accept().await {
                    let names = Arc::clone(&over_tcp);
                    tokio::spawn(async move {
                        while let Ok(length) = stream.read_u16().await {
                            let mut question = vec![0; length.into()];
                            if stream.read_exact(&mut question).await.is_err() {
                                break;
                            }
                            let Some(answer) = answer(&names, &question, true) else { continue };
                            let length = u16::try_from(answer.len()).expect("a short answer");
                            let _ = stream.write_u16(length).await;
                            let _ = stream.write_all(&answer).await;
                        }
                    });
                }
            }),
        ];
        let server = Self { address, names, tasks };
        server.say("example.org", Says::Records(vec![("NS", "ns1.example.org".to_owned())]));
        server
    }

    /// From now on the server says this of a name.
    pub fn say(&self, name: &str, says: Says) {
        self.names.lock().expect("not poisoned").insert(name.to_owned(), says);
    }

    /// One record, and nothing else of the name.
    pub fn record(&self, name: &str, kind: &'static str, value: &str) {
        self.say(name, Says::Records(vec![(kind, value.to_owned())]));
    }
}

fn answer(names: &Mutex<BTreeMap<String, Says>>, question: &[u8], is_tcp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?.clone();
    let name = query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.authoritative = true;
    answer.metadata.recursion_desired = question.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    let says = names.lock().expect("not poisoned").get(&name).cloned();
    let records = match says {
        Some(Says::Silent) => return None,
        Some(Says::Mute) if query.query_type() != RecordType::NS => return None,
        Some(Says::Mute) => return answer.to_vec().ok(),
        Some(Says::Fails) => {
            answer.metadata.response_code = ResponseCode::ServFail;
            return answer.to_vec().ok();
        }
        Some(Says::Refuses) => {
            answer.metadata.response_code = ResponseCode::Refused;
            return answer.to_vec().ok();
        }
        Some(Says::Long(_)) if !is_tcp => {
            answer.metadata.truncation = true;
            return answer.to_vec().ok();
        }
        Some(Says::Leads(servers)) => {
            answer.metadata.authoritative = false;
            for server in servers {
                answer.add_authority(Record::from_rdata(query.name().clone(), 60, data("NS", &server).1));
            }
            return answer.to_vec().ok();
        }
        Some(Says::Records(records) | Says::Long(records)) => records,
        None => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            Vec::new()
        }
    };
    for (kind, value) in records {
        let (kind, data) = data(kind, &value);
        // A server of the zone follows no name: whoever asks for addresses gets the CNAME.
        if kind == query.query_type() || (kind == RecordType::CNAME && query.query_type() != RecordType::NS) {
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
        }
    }
    if answer.answers.is_empty() {
        let zone = Name::from_str("example.org.").expect("a name");
        let soa = SOA::new(zone.clone(), zone.clone(), 1, 60, 60, 60, 0);
        answer.add_authority(Record::from_rdata(zone, 0, RData::SOA(soa)));
    }
    answer.to_vec().ok()
}

fn data(kind: &str, value: &str) -> (RecordType, RData) {
    let name = || Name::from_str(&format!("{value}.")).expect("a name");
    match kind {
        "A" => (RecordType::A, RData::A(A(value.parse().expect("an address")))),
        "CNAME" => (RecordType::CNAME, RData::CNAME(CNAME(name()))),
        "NS" => (RecordType::NS, RData::NS(NS(name()))),
        "TXT" => (RecordType::TXT, RData::TXT(TXT::new(vec![value.to_owned()]))),
        _ => panic!("a record of {kind}"),
    }
}
