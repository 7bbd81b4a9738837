//! The demo, as `make run` shows it to a stranger.

use std::process::Command;

use serde_json::json;

use crate::stack::{Plan, Stack};

/// The line that the program offers to paste.
async fn line(stack: &mut Stack) -> String {
    stack.people.announced("Try it").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_to_try_works_when_it_is_pasted() {
    let listen = ("GATEHOUSE_DEMO_LISTEN", "127.0.0.1:0,127.0.0.1:0");
    let mut stack = Plan::demo().embedded().with(listen.0, listen.1).start().await;
    let first = line(&mut stack).await;
    let pasted = Command::new("sh").args(["-c", &format!("{first} -sS -i")]).output();
    let answer = String::from_utf8_lossy(&pasted.expect("a shell").stdout).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("tea-assam-250"),
        "{first}\n{answer}"
    );
    for _ in 0..4 {
        let products = stack.proxy().get("/products").await.expect(200);
        assert_eq!(products.body["data"].as_array().map(Vec::len), Some(6));
    }
    let page = stack.portal().open("/apis/orders").await.good();
    let base = format!("http://localhost:{}/shop", stack.proxy().address.port());
    assert!(
        page.html.contains(&base),
        "developers read where the gateway is: {}",
        page.html
    );

    stack.stop().await;
    stack.start().await;
    let key = |line: &str| line.split('\'').nth(1).map(str::to_owned);
    assert_eq!(key(&line(&mut stack).await), key(&first), "the key is kept");
    assert_eq!(
        stack.api().get("/services").await.expect(200).body["total"],
        json!(2),
        "it is seeded once"
    );
}
