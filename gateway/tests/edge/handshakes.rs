//! G-7, G-32: TLS, and clients that stall in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use gateway::Running;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{open_gateway, support};

/// How many handshakes a listener does at once.
const AT_ONCE: usize = 1_024;
/// More than that, and fewer than the connections that one address may have.
const CROWD: usize = 1_300;

/// Takes every certificate: whose it is does not matter here.
#[derive(Debug)]
struct Believer;

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn client(protocol: &[u8]) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believer))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

fn name() -> ServerName<'static> {
    "a.example".try_into().expect("a name")
}

/// What a client says first.
fn hello() -> Vec<u8> {
    let mut client = ClientConnection::new(client(b"http/1.1"), name()).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("written");
    hello
}

/// A connection from the address of this machine that ends with this number.
async fn connect(from: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let own = IpAddr::V4(Ipv4Addr::new(127, 0, 0, from));
    socket.bind((own, 0).into()).expect("an address");
    socket.connect(to).await.expect("connected")
}

async fn shake(stream: TcpStream, protocol: &[u8]) -> TlsStream<TcpStream> {
    let shaking = TlsConnector::from(client(protocol)).connect(name(), stream);
    let shaken = timeout(Duration::from_secs(30), shaking).await;
    shaken.expect("in time").expect("a handshake")
}

/// Connections from one address that say this and then nothing.
async fn crowd(address: SocketAddr, said: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(CROWD);
    for _ in 0..CROWD {
        let mut stream = connect(1, address).await;
        stream.write_all(said).await.expect("written");
        crowd.push(stream);
    }
    crowd
}

/// How many handshakes failed.
async fn failed(gateway: &Running) -> usize {
    let metrics = support::get(gateway.status_address(), "/metrics", &[]).await.body;
    let name = "gatehouse_tls_handshakes_total{result=\"failed\"} ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
    count.expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn g_32_who_stalls_in_a_handshake_holds_up_nobody_else() {
    let most = getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, wanted).expect("more descriptors");
    let (gateway, _recorder) = open_gateway().await;
    let address = gateway.tls_addresses()[0];
    // Before it said what it wants not even another one from there is held up, then only others from there.
    for (said, from) in [(vec![0x16], 1), (hello(), 2)] {
        let before = failed(&gateway).await;
        let crowd = crowd(address, &said).await;
        let mut stream = shake(connect(from, address).await, b"http/1.1").await;
        let request = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("written");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
        // It did not have to wait until enough of the crowd had run out of time.
        let given_up = failed(&gateway).await - before;
        assert!(given_up <= CROWD - AT_ONCE, "{given_up} of those from 127.0.0.1");
        drop(crowd);
        support::eventually(async || failed(&gateway).await == before + CROWD).await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_7_a_client_that_stalls_in_the_preface_of_http_2_is_let_go() {
    let (gateway, _recorder) = open_gateway().await;
    let address = gateway.tls_addresses()[0];
    let mut stalling = shake(connect(1, address).await, b"h2").await;
    stalling.write_all(b"P").await.expect("written");
    let (mut client, connection) = h2::client::handshake(shake(connect(1, address).await, b"h2").await)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::get("https://a.example/").body(()).expect("a request");
    let (response, _) = client.send_request(request, true).expect("sent");
    assert_eq!(response.await.expect("an answer").status(), 200);
    let mut heard = Vec::new();
    let end = timeout(Duration::from_secs(30), stalling.read_to_end(&mut heard)).await;
    assert!(end.is_ok(), "the connection stays open");
    assert!(heard.is_empty(), "{heard:?}");
    drop(client);
    gateway.stop().await;
}
