//! A certificate authority that speaks ACME: the real Pebble, with names that lead where a story wants.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;

use crate::clients::Secure;
use crate::eventually;
use crate::stack::Home;

/// The address under which it is asked.
const HOST: &str = "127.0.0.1";
/// How often other ports are tried when somebody else was quicker.
const STARTS: usize = 5;

/// The id and the key of the binding that it may ask for.
pub(crate) const BINDING: (&str, &str) = (
    "kid-1",
    "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
);

/// Where it looks for the answers to its challenges.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Looks {
    /// The port of every name over HTTP.
    pub(crate) http: u16,
    /// The port of every name over TLS.
    pub(crate) tls: u16,
    /// Whether accounts must be bound by [`BINDING`].
    pub(crate) bound: bool,
}

/// An authority that runs, and what tells it where names lead.
#[derive(Debug)]
pub(crate) struct Pebble {
    /// What vouches for its directory, as PEM.
    pub(crate) vouched_for_by: String,
    ports: Ports,
    children: Vec<Child>,
    home: Home,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    directory: u16,
    management: u16,
    names: u16,
    names_management: u16,
}

impl Pebble {
    /// Starts one that looks there; no name leads anywhere before [`Pebble::name`].
    pub(crate) async fn start(looks: Looks) -> Self {
        for _ in 0..STARTS {
            let (home, ports) = (Home::make(), Ports::free());
            let mut pebble = Self {
                vouched_for_by: write_certificate(&home),
                ports,
                children: start(&home, ports, looks),
                home,
            };
            if pebble.listens().await {
                return pebble;
            }
            eprintln!("Pebble ended: {}", log(&pebble.home));
        }
        panic!("Pebble does not start");
    }

    /// The address of its directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://{HOST}:{}/dir", self.ports.directory)
    }

    /// Lets a name lead to the loopback address.
    pub(crate) async fn name(&self, name: &str) {
        let url = format!("http://{HOST}:{}/add-a", self.ports.names_management);
        let body = json!({"host": name, "addresses": [HOST]});
        let asked = reqwest::Client::new().post(url).body(body.to_string()).send();
        assert!(asked.await.expect("an answer").status().is_success(), "{name}");
    }

    /// The certificate that vouches for what it signs, as PEM.
    pub(crate) async fn root(&self) -> String {
        let management = Secure {
            address: local(self.ports.management),
            believes: &self.vouched_for_by,
            shows: None,
        };
        let answer = management.get(HOST, "/roots/0").await.expect("an answer");
        let (_, root) = answer.split_once("\r\n\r\n").expect("a body");
        root.to_owned()
    }

    /// Whether both programs take connections; one that ended found its port taken.
    async fn listens(&mut self) -> bool {
        let ports = self.ports;
        eventually("Pebble", async || {
            let over = self
                .children
                .iter_mut()
                .any(|child| child.try_wait().expect("its state").is_some());
            let open = |port: u16| TcpStream::connect(local(port)).is_ok();
            let all = [ports.directory, ports.management, ports.names, ports.names_management];
            (over || all.into_iter().all(open)).then_some(!over)
        })
        .await
    }

    fn end(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            eprintln!("--- Pebble said:\n{}", log(&self.home));
        }
    }
}

impl Ports {
    /// Ports that nobody has now.
    fn free() -> Self {
        let listeners: Vec<TcpListener> = (0..4)
            .map(|_| TcpListener::bind((HOST, 0)).expect("a free port"))
            .collect();
        let port = |index: usize| listeners[index].local_addr().expect("an address").port();
        Self {
            directory: port(0),
            management: port(1),
            names: port(2),
            names_management: port(3),
        }
    }
}

fn start(home: &Home, ports: Ports, looks: Looks) -> Vec<Child> {
    let at = |port: u16| format!("{HOST}:{port}");
    let path = |name: &str| home.0.join(name).display().to_string();
    let config = json!({"pebble": {
        "listenAddress": at(ports.directory), "managementListenAddress": at(ports.management),
        "certificate": path("cert.pem"), "privateKey": path("key.pem"),
        "httpPort": looks.http, "tlsPort": looks.tls,
        "ocspResponderURL": "", "externalAccountBindingRequired": looks.bound,
        "externalAccountMACKeys": {BINDING.0: BINDING.1}
    }});
    fs::write(home.0.join("pebble.json"), config.to_string()).expect("written");
    let (names, management) = (at(ports.names), at(ports.names_management));
    let resolver = [
        "-dns01",
        &names,
        "-management",
        &management,
        "-defaultIPv4",
        "",
        "-defaultIPv6",
        "",
    ];
    let silent = ["-http01", "", "-https01", "", "-tlsalpn01", ""];
    let mut resolving = Command::new("pebble-challtestsrv");
    resolving.args(resolver).args(silent);
    let mut signing = Command::new("pebble");
    // Every order is proven anew, and without a pause for the sake of it.
    signing.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
    signing.args(["-strict", "-config", &path("pebble.json"), "-dnsserver", &names]);
    [(resolving, "names.log"), (signing, "pebble.log")]
        .map(|(mut command, name)| {
            let said = File::create(home.0.join(name)).expect("a file");
            let too = said.try_clone().expect("a file");
            command.stdin(Stdio::null()).stdout(said).stderr(too);
            command
                .spawn()
                .expect("pebble and pebble-challtestsrv are installed: `scripts/bootstrap test`")
        })
        .into()
}

/// Writes the certificate of its directory with the key; returns what vouches for it.
fn write_certificate(home: &Home) -> String {
    let (root_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut root = CertificateParams::new(Vec::new()).expect("no names");
    root.distinguished_name.push(DnType::CommonName, "Directory");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let vouches = root.self_signed(&root_key).expect("signed").pem();
    let own = CertificateParams::new(vec![HOST.to_owned()]).expect("an address");
    let signed = own
        .signed_by(&key, &Issuer::from_params(&root, &root_key))
        .expect("signed");
    fs::write(home.0.join("cert.pem"), signed.pem()).expect("written");
    fs::write(home.0.join("key.pem"), key.serialize_pem()).expect("written");
    vouches
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn log(home: &Home) -> String {
    let read = |name: &str| fs::read_to_string(home.0.join(name)).unwrap_or_default();
    format!("{}{}", read("names.log"), read("pebble.log"))
}
