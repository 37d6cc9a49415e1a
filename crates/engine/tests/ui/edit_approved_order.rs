use starling_core::Qty;
use starling_engine::risk::ApprovedOrder;

fn enlarge(mut order: ApprovedOrder) -> ApprovedOrder {
    order.request.qty = Qty::from_int(1_000_000);
    order
}

fn main() {}
