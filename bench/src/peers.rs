//! The proxies that are measured, each on one thread and the same processor, with connections to the service kept.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::configuration::{self, Configuration};
use crate::load::Connection;
use crate::process::{PROXY, Process, free_address};

/// How long a proxy may take until it answers.
const START: Duration = Duration::from_secs(90);

/// A proxy that runs.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// Where it says whether it is ready; Gatehouse only.
    pub(crate) status: Option<SocketAddr>,
}

/// Where peers are made.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    /// A folder for their files.
    pub(crate) directory: PathBuf,
    /// The program under test.
    pub(crate) gatehouse: PathBuf,
    /// The service behind all of them.
    pub(crate) service: SocketAddr,
}

/// What a peer does before it passes a request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing.
    PassOn,
    /// It asks for a key, and limits each of a thousand consumers.
    Protect,
}

/// A database for Gatehouse; there is none at this address, so that it runs on its own copy.
pub(crate) const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/none";

impl Workshop {
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.directory.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// nginx with one worker. Consumers come from a `map`, limits from `limit_req`.
    pub(crate) fn nginx(&self, work: Work, http2: bool) -> Result<Peer> {
        let protect = match work {
            Work::PassOn => (String::new(), ""),
            Work::Protect => (
                format!(
                    "map_hash_max_size 8192; map_hash_bucket_size 128;\nmap $http_x_api_key $consumer {{ default \"\"; {} }}\n\
                     limit_req_zone $consumer zone=consumers:10m rate=100000r/s;",
                    keys(|key, consumer| format!("\"{key}\" \"{consumer}\";"))
                ),
                "if ($consumer = \"\") { return 401; }\nlimit_req zone=consumers burst=100000 nodelay;\n\
                 proxy_set_header X-Consumer-Username $consumer; proxy_set_header X-Api-Key \"\";",
            ),
        };
        self.nginx_with("nginx", http2, ["", &protect.0, protect.1])
    }

    /// nginx with Lua, which looks keys up and counts requests in shared memory.
    pub(crate) fn nginx_lua(&self) -> Result<Peer> {
        let modules = "/usr/lib/nginx/modules";
        let load = format!("load_module {modules}/ndk_http_module.so; load_module {modules}/ngx_http_lua_module.so;");
        let fill = keys(|key, consumer| format!("keys:set(\"{key}\", \"{consumer}\")"));
        let global = format!(
            "lua_shared_dict keys 10m; lua_shared_dict counts 10m;\n\
             init_by_lua_block {{ local keys = ngx.shared.keys {fill} }}"
        );
        let location = "access_by_lua_block {
            local key = ngx.req.get_headers()[\"x-api-key\"]
            local consumer = key and ngx.shared.keys:get(key)
            if not consumer then return ngx.exit(401) end
            local window = math.floor(ngx.now() / 60)
            local count = ngx.shared.counts:incr(consumer .. \":\" .. window, 1, 0, 120)
            if count > 4000000000 then return ngx.exit(429) end
            ngx.req.set_header(\"X-Consumer-Username\", consumer)
            ngx.req.clear_header(\"X-Api-Key\")
        }";
        self.nginx_with("nginx-lua", false, [&load, &global, location])
    }

    fn nginx_with(&self, name: &str, http2: bool, [load, global, location]: [&str; 3]) -> Result<Peer> {
        let (folder, address) = (self.folder(name)?, free_address()?);
        let (place, service) = (folder.display(), self.service);
        let http2 = if http2 { " http2" } else { "" };
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid {place}/nginx.pid; error_log stderr error; {load}
             worker_rlimit_nofile 20000;
             events {{ worker_connections 16384; }}
             http {{
               access_log off; keepalive_requests 100000000; keepalive_timeout 75s;
               client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
               uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi; proxy_max_temp_file_size 0;
               {global}
               upstream service {{ server {service}; keepalive 128; keepalive_requests 100000000; }}
               server {{
                 listen {address}{http2};
                 location / {{
                   {location}
                   proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection \"\";
                 }}
               }}
             }}"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, text)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(&file);
        self.start(name, &command, address, None)
    }

    /// `HAProxy` with one thread. Consumers come from a map file, limits from a stick table.
    pub(crate) fn haproxy(&self, work: Work, http2: bool) -> Result<Peer> {
        let (folder, address) = (self.folder("haproxy")?, free_address()?);
        let map = folder.join("keys.map");
        fs::write(&map, keys(|key, consumer| format!("{key} {consumer}\n")))?;
        let map = map.display();
        let protect = match work {
            Work::PassOn => String::new(),
            Work::Protect => format!(
                "stick-table type string len 32 size 100k expire 2m store http_req_rate(60s)
                 http-request set-var(txn.consumer) req.hdr(x-api-key),map_str({map})
                 http-request deny deny_status 401 unless {{ var(txn.consumer) -m found }}
                 http-request track-sc0 var(txn.consumer)
                 http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 2000000000 }}
                 http-request set-header X-Consumer-Username %[var(txn.consumer)]
                 http-request del-header X-Api-Key"
            ),
        };
        let (service, proto) = (self.service, if http2 { " proto h2" } else { "" });
        let text = format!(
            "global
               nbthread 1
               maxconn 9900
             defaults
               mode http
               timeout connect 2s
               timeout client 75s
               timeout server 60s
               http-reuse always
             frontend clients
               bind {address}{proto}
               {protect}
               default_backend services
             backend services
               server service {service} pool-max-conn 128
            "
        );
        let file = folder.join("haproxy.cfg");
        // It wants its last line to end.
        fs::write(&file, text.trim_end().to_owned() + "\n")?;
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(&file);
        self.start("haproxy", &command, address, None)
    }

    /// Pingora's stock proxy, built with the same flags as the product.
    pub(crate) fn bare_pingora(&self) -> Result<Peer> {
        let program = std::env::current_exe()?.with_file_name("bare-pingora");
        let address = free_address()?;
        let mut command = Command::new(program);
        command.arg(address.to_string()).arg(self.service.to_string());
        self.start("bare-pingora", &command, address, None)
    }

    /// Gatehouse on its own copy of a configuration.
    pub(crate) fn gatehouse(&self, name: &str, configuration: Configuration) -> Result<Peer> {
        let folder = self.folder(name)?;
        configuration.write_copy(&folder)?;
        self.gatehouse_in(name, &folder, NO_DATABASE)
    }

    /// Gatehouse with a data directory and a database.
    pub(crate) fn gatehouse_in(&self, name: &str, folder: &Path, database: &str) -> Result<Peer> {
        let (address, status) = (free_address()?, free_address()?);
        let mut command = Command::new(&self.gatehouse);
        command
            .arg("gateway")
            .env("DATABASE_URL", database)
            .env("GATEHOUSE_DATA_DIR", folder)
            .env("GATEHOUSE_SECRET", configuration::secret())
            .env("GATEHOUSE_PROXY_LISTEN", address.to_string())
            .env("GATEHOUSE_STATUS_LISTEN", status.to_string())
            .env("GATEHOUSE_PROXY_TLS_LISTEN", free_address()?.to_string())
            .env("GATEHOUSE_GATEWAY_NAME", name)
            .env("GATEHOUSE_THREADS", "1")
            .env("GATEHOUSE_ACCESS_LOG", "off")
            .env("GATEHOUSE_LOG", "error");
        self.start(name, &command, address, Some(status))
    }

    fn start(&self, name: &str, command: &Command, address: SocketAddr, status: Option<SocketAddr>) -> Result<Peer> {
        let log = self.directory.join(format!("{name}.log"));
        let process = Process::start(command, PROXY, &log)?;
        let name = name.to_owned();
        Ok(Peer {
            name,
            process,
            address,
            status,
        })
    }
}

impl Peer {
    /// Waits until it answers this request with 200.
    pub(crate) async fn until_ready(&mut self, request: &[u8]) -> Result<Duration> {
        let began = Instant::now();
        let mut last = String::new();
        while began.elapsed() < START {
            match Connection::to(self.address).ask(request).await {
                Ok(200) => return Ok(began.elapsed()),
                Ok(status) => last = format!("it answers {status}"),
                Err(error) => last = format!("{error:#}"),
            }
            if !self.process.runs() {
                bail!("{} ended: see its log", self.name);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(anyhow::anyhow!(last)).with_context(|| format!("{} does not become ready", self.name))
    }
}

/// The thousand keys with their consumers, each in the words of a peer.
fn keys(word: impl Fn(&str, &str) -> String) -> String {
    let words = (0..1000).map(|number| word(&configuration::key(number), &format!("consumer-{number}")));
    words.collect::<Vec<_>>().join(" ").replace("\n ", "\n")
}
