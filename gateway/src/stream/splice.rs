//! Bytes both ways between a client and a target: each way ends by itself, and silence ends both.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};

use crate::telemetry::Ended;
use crate::traffic::{Counted, Moved};

/// Lets both sides talk until they part.
pub(super) async fn splice<C, T>(client: C, mut target: T, idle: Duration, moved: &Arc<Moved>) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = Counted {
        stream: client,
        moved: moved.clone(),
    };
    tokio::select! {
        ended = copy_bidirectional(&mut client, &mut target) => match ended {
            Ok(_) => Ended::Done,
            Err(_) => Ended::Broken,
        },
        () = moved.silence(idle) => Ended::Idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test(start_paused = true)]
    async fn silence_ends_both_sides() {
        let ((client, _one), (target, _two)) = (duplex(64), duplex(64));
        let moved = Arc::new(Moved::default());
        assert_eq!(
            splice(client, target, Duration::from_secs(5), &moved).await,
            Ended::Idle
        );
    }

    #[tokio::test]
    async fn a_side_that_has_said_all_still_listens() {
        let ((client, mut one), (target, mut two)) = (duplex(64), duplex(64));
        let moved = Arc::new(Moved::default());
        let talk = async {
            one.write_all(b"ask").await.expect("written");
            one.shutdown().await.expect("half-closed");
            let mut asked = Vec::new();
            two.read_to_end(&mut asked).await.expect("read");
            two.write_all(b"answer").await.expect("written");
            drop(two);
            let mut answer = Vec::new();
            one.read_to_end(&mut answer).await.expect("read");
            (asked, answer)
        };
        let (parting, said) = tokio::join!(splice(client, target, Duration::from_secs(5), &moved), talk);
        assert_eq!((parting, said), (Ended::Done, (b"ask".to_vec(), b"answer".to_vec())));
        assert_eq!((moved.received(), moved.sent()), (3, 6));
    }
}
