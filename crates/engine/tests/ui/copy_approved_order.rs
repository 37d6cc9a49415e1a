use starling_engine::risk::{ApprovedCancel, ApprovedModify, ApprovedOrder};

fn send_twice(order: ApprovedOrder) -> (ApprovedOrder, ApprovedOrder) {
    (order, order)
}

fn clone_order(order: &ApprovedOrder) -> ApprovedOrder {
    <ApprovedOrder as Clone>::clone(order)
}

fn clone_modify(modify: &ApprovedModify) -> ApprovedModify {
    <ApprovedModify as Clone>::clone(modify)
}

fn clone_cancel(cancel: &ApprovedCancel) -> ApprovedCancel {
    <ApprovedCancel as Clone>::clone(cancel)
}

fn main() {}
