//! Names against a DNS server that says what the test wants.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use model::id::{ServiceId, UpstreamId};
use model::service::Retry;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::{GroupKey, Names, Place, Pool, Reach, Settings, Target, Upstreams, Wanted};

/// What a name has: a status and records.
type Zone = Arc<Mutex<HashMap<(String, RecordType), (ResponseCode, Vec<RData>)>>>;

struct Server {
    address: SocketAddr,
    zone: Zone,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let server = Self {
            address: socket.local_addr().expect("an address"),
            zone: Zone::default(),
            asked: Arc::default(),
        };
        let (zone, asked) = (server.zone.clone(), server.asked.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let Ok(question) = Message::from_vec(&buffer[..length]) else {
                    continue;
                };
                let answer = answer(&question, &zone, &asked);
                let _ = socket.send_to(&answer.to_vec().expect("a message"), client).await;
            }
        });
        server
    }

    fn set(&self, name: &str, kind: RecordType, code: ResponseCode, records: Vec<RData>) {
        self.zone
            .lock()
            .expect("a zone")
            .insert((name.to_owned(), kind), (code, records));
    }

    fn addresses(&self, name: &str, last: &[u8]) {
        let records = last.iter().map(|last| RData::A(A::new(10, 9, 0, *last)));
        self.set(name, RecordType::A, ResponseCode::NoError, records.collect());
    }
}

fn answer(question: &Message, zone: &Zone, asked: &Mutex<Vec<String>>) -> Message {
    let mut answer = question.clone();
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_available = true;
    answer.additionals.clear();
    let query = question.queries[0].clone();
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let zone = zone.lock().expect("a zone");
    let known = zone.iter().any(|((known, _), _)| *known == name);
    let (code, records) = match zone.get(&(name.clone(), query.query_type())) {
        Some((code, records)) => (*code, records.clone()),
        None if known => (ResponseCode::NoError, Vec::new()),
        None => (ResponseCode::NXDomain, Vec::new()),
    };
    if query.query_type() != RecordType::AAAA {
        asked.lock().expect("a list").push(name);
    }
    answer.metadata.response_code = code;
    answer.answers = records
        .into_iter()
        .map(|data| Record::from_rdata(query.name().clone(), 1, data))
        .collect();
    answer
}

struct World {
    upstreams: Arc<Upstreams>,
    _stop: watch::Sender<bool>,
}

impl World {
    fn asking(server: &Server) -> Self {
        Self::within(server, Reach::default())
    }

    fn within(server: &Server, reach: Reach) -> Self {
        let upstreams = Arc::new(Upstreams::within(&[0; 32], reach));
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(upstreams.clone().keep(Names::new(&[server.address]), stopping));
        Self { upstreams, _stop: stop }
    }

    fn pool(&self, address: &str) -> Arc<Pool> {
        let key = GroupKey::Upstream(UpstreamId(uuid::Uuid::nil()));
        let service = ServiceId(uuid::Uuid::nil());
        let target = Target {
            address: address.to_owned(),
            place: Place::of(address).expect("a place"),
            weight: 100,
            drains: false,
        };
        let wanted = Wanted {
            service,
            name: "s".into(),
            retry: Retry::default(),
            group: key.clone(),
        };
        let groups = HashMap::from([(key, (Settings::default(), vec![target]))]);
        let mut pools = self.upstreams.configure(groups, vec![wanted], Instant::now());
        pools.remove(&service).expect("a pool")
    }
}

fn sockets(pool: &Pool) -> Vec<String> {
    pool.endpoints()
        .iter()
        .map(|endpoint| endpoint.socket.to_string())
        .collect()
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let held = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), held)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
}

#[tokio::test]
async fn all_addresses_of_a_name_are_endpoints_and_changes_are_followed() {
    let server = Server::start().await;
    server.addresses("api.test", &[1, 2]);
    let world = World::asking(&server);
    let pool = world.pool("api.test:8080");
    pool.ready(Duration::from_secs(10)).await;
    assert_eq!(sockets(&pool), ["10.9.0.1:8080", "10.9.0.2:8080"]);
    let stays = pool.endpoints()[1].key;
    server.addresses("api.test", &[2, 3]);
    eventually("the new answer", || {
        sockets(&pool) == ["10.9.0.2:8080", "10.9.0.3:8080"]
    })
    .await;
    assert_eq!(pool.endpoints()[0].key, stays);
}

#[tokio::test]
async fn the_last_good_answer_stays_when_a_name_fails_vanishes_or_is_empty() {
    let server = Server::start().await;
    server.addresses("api.test", &[1]);
    let world = World::asking(&server);
    let pool = world.pool("api.test:80");
    pool.ready(Duration::from_secs(10)).await;
    for code in [ResponseCode::ServFail, ResponseCode::NXDomain, ResponseCode::NoError] {
        server.set("api.test", RecordType::A, code, Vec::new());
        let before = server.asked.lock().expect("a list").len();
        eventually("another question", || {
            server.asked.lock().expect("a list").len() > before
        })
        .await;
        assert_eq!(sockets(&pool), ["10.9.0.1:80"], "{code}");
    }
    server.addresses("api.test", &[7]);
    eventually("the recovery", || sockets(&pool) == ["10.9.0.7:80"]).await;
}

#[tokio::test]
async fn the_records_of_a_service_say_hosts_ports_and_weights() {
    let server = Server::start().await;
    let record = |priority, weight, port, host: &str| {
        RData::SRV(SRV::new(
            priority,
            weight,
            port,
            Name::from_ascii(host).expect("a name"),
        ))
    };
    let records = vec![
        record(1, 3, 8001, "a.test."),
        record(1, 1, 8002, "b.test."),
        record(9, 1, 8003, "c.test."),
    ];
    server.set("_http._tcp.api.test", RecordType::SRV, ResponseCode::NoError, records);
    server.addresses("a.test", &[1]);
    server.addresses("b.test", &[2]);
    server.addresses("c.test", &[3]);
    let world = World::asking(&server);
    let pool = world.pool("srv:_http._tcp.api.test");
    pool.ready(Duration::from_secs(10)).await;
    assert_eq!(sockets(&pool), ["10.9.0.1:8001", "10.9.0.2:8002"]);
    let members = pool.group.members.load();
    assert_eq!(members.list[0].weight, 3 * members.list[1].weight);
}

#[tokio::test]
async fn a_name_that_does_not_exist_ends_the_wait_and_is_not_asked_for_all_the_time() {
    let server = Server::start().await;
    let world = World::asking(&server);
    let pool = world.pool("nobody.test:80");
    pool.ready(Duration::from_secs(10)).await;
    assert!(sockets(&pool).is_empty());
    assert!(
        server.asked.lock().expect("a list").len() <= 2,
        "{:?}",
        server.asked.lock()
    );
}

#[tokio::test]
async fn an_answer_with_addresses_that_may_not_be_reached_counts_without_them() {
    let server = Server::start().await;
    let records = |addresses: &[[u8; 4]]| {
        let records = addresses.iter().map(|[a, b, c, d]| RData::A(A::new(*a, *b, *c, *d)));
        server.set("api.test", RecordType::A, ResponseCode::NoError, records.collect());
    };
    records(&[[169, 254, 169, 254]]);
    let world = World::within(
        &server,
        Reach {
            own: vec!["0.0.0.0:8001".parse().expect("an address")],
            ..Reach::default()
        },
    );
    let pool = world.pool("api.test:8001");
    pool.ready(Duration::from_secs(10)).await;
    assert!(sockets(&pool).is_empty() && pool.is_forbidden());
    let told = || pool.states(Instant::now(), model::clock::Timestamp::UNIX_EPOCH);
    let error = told()[0].last_error.clone().expect("a reason");
    assert!(error.contains("link-local"), "{error}");
    // Beside a good address the bad one is left out.
    records(&[[127, 0, 0, 1], [10, 9, 0, 1]]);
    eventually("the good address", || sockets(&pool) == ["10.9.0.1:8001"]).await;
    assert!(!pool.is_forbidden());
    assert!(
        told()[1]
            .last_error
            .as_deref()
            .is_some_and(|error| error.contains("Gatehouse itself"))
    );
    // A name that moves to where it may not be keeps its last good address, however often it is asked for.
    records(&[[169, 254, 169, 254]]);
    eventually("the refusal", || {
        told().last().and_then(|state| state.address.clone()).as_deref() == Some("169.254.169.254:8001")
    })
    .await;
    assert_eq!(sockets(&pool), ["10.9.0.1:8001"]);
}
