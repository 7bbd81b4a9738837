//! Servers that people run, each of which notes the requests that it sees.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// How long a server may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that a server saw: its method, its target, and its body where the server tells it.
pub(crate) type Seen = (String, String, Option<String>);

/// A server: its programs, of which any does, and how it is told what to do.
pub(crate) struct Kind {
    programs: &'static [&'static str],
    /// Its configuration and the file's name; `PORT` and `HOME` in it are replaced.
    configuration: (&'static str, &'static str),
    arguments: &'static [&'static str],
}

pub(crate) const APACHE: Kind = Kind {
    programs: &["apache2", "/usr/sbin/apache2", "httpd"],
    configuration: (
        "apache.conf",
        "ServerRoot /usr/lib/apache2\nServerName 127.0.0.1\nListen 127.0.0.1:PORT\n\
         LoadModule mpm_event_module modules/mod_mpm_event.so\nLoadModule authz_core_module modules/mod_authz_core.so\n\
         User www-data\nGroup www-data\nPidFile HOME/pid\nDefaultRuntimeDir HOME\nErrorLog HOME/errors\nLogLevel warn\n\
         LogFormat \"%r\" seen\nCustomLog HOME/seen seen\nDocumentRoot HOME/public\nMaxKeepAliveRequests 0\n",
    ),
    arguments: &["-f", "HOME/apache.conf", "-DFOREGROUND"],
};

/// Its server is that of Go.
pub(crate) const CADDY: Kind = Kind {
    programs: &["caddy"],
    configuration: (
        "Caddyfile",
        "{\n  admin off\n  auto_https off\n}\nhttp://127.0.0.1:PORT {\n  log {\n    output file HOME/seen\n    format json\n  }\n  \
         respond ok\n}\n",
    ),
    arguments: &["run", "--adapter", "caddyfile", "--config", "HOME/Caddyfile"],
};

pub(crate) const NODE: Kind = Kind {
    programs: &["node", "nodejs"],
    configuration: (
        "server.js",
        "const fs = require('fs');\n\
         const answer = (request, response) => {\n\
           const pieces = [];\n\
           request.on('data', (piece) => pieces.push(piece));\n\
           request.on('end', () => {\n\
             const body = Buffer.concat(pieces).toString();\n\
             fs.appendFileSync('HOME/seen', `${request.method} ${request.url} HTTP/1.1\\t${body}\\n`);\n\
             response.end('ok');\n\
           });\n\
         };\n\
         require('http').createServer(answer).listen(PORT, '127.0.0.1');\n",
    ),
    arguments: &["HOME/server.js"],
};

pub(crate) const GUNICORN: Kind = Kind {
    programs: &["gunicorn", "/usr/bin/gunicorn"],
    configuration: (
        "seen.py",
        "import os\n\
         noted = os.open('HOME/seen', os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n\
         def answer(environ, start):\n    \
             body = environ['wsgi.input'].read().decode()\n    \
             line = f\"{environ['REQUEST_METHOD']} {environ['RAW_URI']} HTTP/1.1\\t{body}\\n\"\n    \
             os.write(noted, line.encode())\n    \
             start('200 OK', [('Content-Length', '2')])\n    \
             return [b'ok']\n",
    ),
    arguments: &[
        "--chdir",
        "HOME",
        "--bind",
        "127.0.0.1:PORT",
        "--worker-class",
        "gthread",
        "--threads",
        "8",
        "--keep-alive",
        "30",
        "seen:answer",
    ],
};

/// A server that runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    home: PathBuf,
    child: Child,
}

impl Server {
    /// Starts one, and waits until it takes connections.
    pub(crate) async fn start(kind: &Kind) -> Self {
        let home = std::env::temp_dir().join(format!("gatehouse-edge-{}", Uuid::now_v7()));
        fs::create_dir_all(home.join("public")).expect("a directory");
        // Servers that are started by root write as somebody else.
        fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).expect("permissions");
        let address = free();
        let filled = |text: &str| {
            let place = home.display().to_string();
            text.replace("HOME", &place)
                .replace("PORT", &address.port().to_string())
        };
        let (name, configuration) = kind.configuration;
        fs::write(home.join(name), filled(configuration)).expect("a file");
        let found = kind.programs.iter().find_map(|program| {
            let arguments = kind.arguments.iter().map(|argument| filled(argument));
            let mut command = Command::new(program);
            command
                .args(arguments)
                .env("HOME", &home)
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            command.spawn().ok()
        });
        let child = found.unwrap_or_else(|| panic!("{:?} is missing: scripts/bootstrap long", kind.programs[0]));
        let server = Self { address, home, child };
        let connected = async {
            while TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, connected).await.expect("it listens");
        server
    }

    /// Ends it; what it saw.
    pub(crate) async fn seen(mut self) -> Vec<Seen> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a number");
        kill_process(pid, Signal::TERM).expect("it runs");
        let ended = async {
            while self.child.try_wait().expect("its state").is_none() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("it ends");
        read(&self.home.join("seen"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// The lines of a log: `METHOD TARGET HTTP/1.1`, with a tab and the body behind it or not; or Caddy's JSON.
fn read(log: &Path) -> Vec<Seen> {
    let text = fs::read_to_string(log).expect("a log");
    let seen = text.lines().map(|line| {
        if let Ok(line) = serde_json::from_str::<Value>(line) {
            let member = |name: &str| line["request"][name].as_str().unwrap_or_default().to_owned();
            return (member("method"), member("uri"), None);
        }
        let (request, body) = line
            .split_once('\t')
            .map_or((line, None), |(line, body)| (line, Some(body)));
        match request.split(' ').collect::<Vec<_>>()[..] {
            [method, target, _] => (method.to_owned(), target.to_owned(), body.map(str::to_owned)),
            // The server saw what is no request: it is kept, for nothing of it is expected.
            _ => (request.to_owned(), String::new(), None),
        }
    });
    seen.collect()
}
