//! Pingora's stock proxy that passes everything on: the floor that a gateway on Pingora stands on.
//!
//! `bare-pingora LISTEN UPSTREAM` serves HTTP/1.1 and HTTP/2 in the clear with one worker thread.

use async_trait::async_trait;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct PassThrough(String);

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0.as_str(), false, String::new())))
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("bare-pingora LISTEN UPSTREAM");
    };
    let configuration = ServerConf {
        threads: 1,
        work_stealing: false,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, PassThrough(upstream));
    service.add_tcp(&listen);
    if let Some(logic) = service.app_logic_mut() {
        let mut options = pingora::apps::HttpServerOptions::default();
        options.h2c = true;
        logic.server_options = Some(options);
    }
    server.add_service(service);
    server.run_forever()
}
