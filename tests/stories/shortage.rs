//! What a gateway does when the machine has no more to give: it sheds, goes on, and recovers.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::clients::Proxy;
use crate::eventually;
use crate::stack::{Node, Plan, Stack};
use crate::upstream::Upstream;

/// A gateway apart from everything else, with a route to an echo.
async fn serving(plan: Plan) -> (Stack, Upstream) {
    let (stack, echo) = (plan.start().await, Upstream::start("echo"));
    stack.api().service("echo", &echo.url()).await;
    stack.api().route("echo", "echo", json!({"paths": ["/echo"]})).await;
    (stack, echo)
}

/// As many descriptors for this process as the system allows.
fn many_descriptors() {
    let most = getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, wanted).expect("more descriptors");
}

/// The value of a metric without labels.
async fn measured(gateway: &Node, name: &str) -> f64 {
    let metrics = gateway.metrics().await;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).expect(name)
}

/// Connections that each say this and then nothing.
async fn crowd(address: SocketAddr, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            break;
        };
        // One that is refused is closed.
        let _ = stream.write_all(said).await;
        crowd.push(stream);
    }
    crowd
}

/// Waits until a gateway has said so often that it cannot accept connections.
async fn complained(gateway: &Node, times: usize) {
    eventually("that connections cannot be accepted", async || {
        let logged = gateway.program().logged();
        (logged.matches("connections cannot be accepted").count() >= times).then_some(())
    })
    .await;
}

/// What a process has used of the processor, in hundredths of a second.
fn processor_ticks(id: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("its state");
    let (_, behind_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks = |index: usize| {
        let field = behind_name
            .split(' ')
            .nth(index)
            .and_then(|field| field.parse::<u64>().ok());
        field.expect("a number")
    };
    ticks(11) + ticks(12)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_a_gateway_serves_on_and_does_not_spin() {
    many_descriptors();
    let (stack, _echo) = serving(Plan::apart(1)).await;
    let (gateway, proxy) = (stack.gateway(0), stack.proxy());
    proxy.get("/echo").await.expect(200);
    let id = i32::try_from(gateway.program().id()).expect("a process id");
    let pid = Pid::from_raw(id).expect("a process id");
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).expect("its files").count();
    let before = prlimit(
        Some(pid),
        Resource::Nofile,
        Rlimit {
            current: Some(u64::try_from(open + 30).expect("few")),
            maximum: getrlimit(Resource::Nofile).maximum,
        },
    );
    let before = before.expect("fewer descriptors");
    let crowd = crowd(proxy.address, 100, b"").await;
    complained(gateway, 1).await;
    // The connection that was open before has what it needs.
    proxy.get("/echo").await.expect(200);
    let (before_pause, began) = (processor_ticks(id), Instant::now());
    // It says so once a second at most.
    complained(gateway, 4).await;
    let (spent, time) = (processor_ticks(id) - before_pause, began.elapsed());
    assert!(time > Duration::from_secs(2), "four lines in {time:?}");
    assert!(
        u128::from(spent) < time.as_millis() / 20,
        "it spun: {spent} hundredths of a second of the processor in {time:?}"
    );
    drop(crowd);
    prlimit(Some(pid), Resource::Nofile, before).expect("as before");
    eventually("that new connections are served", async || {
        let answer = Proxy::new(proxy.address).call("GET", "/echo").try_send().await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_of_memory_a_gateway_refuses_until_there_is_room_again() {
    many_descriptors();
    let (stack, _echo) = serving(Plan::apart(1)).await;
    let used = measured(stack.gateway(0), "process_resident_memory_bytes").await;
    drop(stack);
    // The next one begins at four fifths of its limit.
    let limit = used / 0.8 / f64::from(1 << 20);
    let (stack, _echo) = serving(Plan::apart(1).with("GATEHOUSE_MEMORY_LIMIT_MB", limit.ceil())).await;
    let (gateway, proxy) = (stack.gateway(0), stack.proxy());
    proxy.get("/echo").await.expect(200);
    // Heads that do not end have to be kept.
    let head = format!("GET /echo HTTP/1.1\r\nHost: a\r\nX-Long: {}", "a".repeat(31_000));
    let crowd = crowd(proxy.address, 1_500, head.as_bytes()).await;
    eventually("that nothing is taken on", async || {
        let refused = measured(gateway, "gatehouse_connections_refused_total").await;
        (refused > 0.0).then_some(())
    })
    .await;
    let used = measured(gateway, "gatehouse_memory_used_bytes").await;
    let limit = measured(gateway, "gatehouse_memory_limit_bytes").await;
    assert!(used > 0.9 * limit, "{used} of {limit}");
    drop(crowd);
    eventually("that there is room again", async || {
        let answer = Proxy::new(proxy.address).call("GET", "/echo").try_send().await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
}
