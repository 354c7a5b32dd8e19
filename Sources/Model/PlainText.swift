extension String {
    /// Whether the text is one line without characters that terminals would obey or hide.
    public var isPlain: Bool { unicodeScalars.allSatisfy(\.isPlain) }

    /// The text with spaces for characters that terminals would obey or hide.
    public var plain: String {
        var text = UnicodeScalarView()
        for scalar in unicodeScalars { text.append(scalar.isPlain ? scalar : " ") }
        return String(text)
    }
}

extension Unicode.Scalar {
    fileprivate var isPlain: Bool {
        ![.control, .format, .lineSeparator, .paragraphSeparator].contains(properties.generalCategory)
    }
}
