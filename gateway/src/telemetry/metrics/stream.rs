//! What is counted of connections that are passed on unopened, by route.

use prometheus::{IntCounter, IntCounterVec};

use super::shelf::Shelf;
use crate::telemetry::passage::Ended;

/// The families that routes have series of.
#[derive(Debug, Clone)]
pub(super) struct StreamFamilies {
    connections: IntCounterVec,
    received: IntCounterVec,
    sent: IntCounterVec,
}

/// The counters of one route. Bytes count as they pass: a connection may last for days.
#[derive(Debug)]
pub(crate) struct StreamMetrics {
    /// One for each of [`Ended::ALL`].
    connections: [IntCounter; Ended::ALL.len()],
    pub(crate) received: IntCounter,
    pub(crate) sent: IntCounter,
}

impl StreamFamilies {
    pub(super) fn on(shelf: &mut Shelf) -> Self {
        let by_route = ["route", "service"];
        Self {
            connections: shelf.counters(
                "gatehouse_stream_connections_total",
                "Connections passed on unopened that are over, by route, service and how they ended.",
                &["route", "service", "ended"],
            ),
            received: shelf.counters(
                "gatehouse_stream_received_bytes_total",
                "Bytes from clients on connections that are passed on unopened.",
                &by_route,
            ),
            sent: shelf.counters(
                "gatehouse_stream_sent_bytes_total",
                "Bytes to clients on connections that are passed on unopened.",
                &by_route,
            ),
        }
    }

    pub(super) fn of(&self, [route, service]: [&str; 2]) -> StreamMetrics {
        let connections = |ended: Ended| {
            let labels = [route, service, ended.as_str()];
            self.connections.with_label_values(&labels)
        };
        StreamMetrics {
            connections: Ended::ALL.map(connections),
            received: self.received.with_label_values(&[route, service]),
            sent: self.sent.with_label_values(&[route, service]),
        }
    }

    /// Removes the series of a route that is gone; what was never counted has nothing to remove.
    pub(super) fn forget(&self, [route, service]: [&str; 2]) {
        for ended in Ended::ALL {
            let labels = [route, service, ended.as_str()];
            let _ = self.connections.remove_label_values(&labels);
        }
        for family in [&self.received, &self.sent] {
            let _ = family.remove_label_values(&[route, service]);
        }
    }
}

impl StreamMetrics {
    /// Counts a connection that is over.
    pub(crate) fn record(&self, ended: Ended) {
        self.connections[ended as usize].inc();
    }
}
