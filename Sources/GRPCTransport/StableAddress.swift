extension UnsafeMutablePointer {
    /// The address of a stored property, valid as long as the memory is.
    ///
    /// `&pointer.pointee.property` is valid for one call only; C-core keeps addresses until an operation completes.
    ///
    /// A key path costs some microseconds if its root is nested in a generic type: not for what every message needs.
    func address<Value>(of property: WritableKeyPath<Pointee, Value>) -> UnsafeMutablePointer<Value> {
        guard let address = pointer(to: property) else { preconditionFailure("a computed property has no address") }
        return address
    }
}
