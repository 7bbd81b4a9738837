//! The end of a connection whose client is still sending.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connections::Connection;
use super::transport::Transport;
use crate::config::limits;

/// Says that no more comes, and reads what the client still sends. A connection that is closed before is reset, and the
/// answer on it lost.
pub(super) fn linger(mut transport: Transport, place: Option<Connection>) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        let reading = async {
            let mut piece = [0; limits::PIECE];
            transport.shutdown().await?;
            while transport.read(&mut piece).await? > 0 {}
            std::io::Result::Ok(())
        };
        // How it ends does not matter to anybody.
        let _ = timeout(limits::LINGER, reading).await;
        drop(place);
    });
}
