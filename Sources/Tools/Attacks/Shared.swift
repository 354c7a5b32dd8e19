import Synchronization

/// A value that several tasks read and change.
final class Shared<Value: Sendable>: Sendable {
    private let stored: Mutex<Value>

    init(_ value: Value) { stored = Mutex(value) }

    /// A copy of the current value.
    var value: Value { stored.withLock { $0 } }

    func change(_ body: (inout Value) -> Void) { stored.withLock { body(&$0) } }
}

extension Shared where Value == Int {
    func add(_ count: Int) { change { $0 += count } }
}
