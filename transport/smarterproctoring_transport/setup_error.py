"""The error of a setting with which no transport can be made."""


class SetupError(Exception):
    """A setting of the transport that cannot work.

    Attributes:
        setting: The keyword in `TransportOptions`.
        text: What is wrong; it continues a sentence that begins with the setting's name, and holds no value.
    """

    def __init__(self, setting: str, text: str) -> None:
        super().__init__(f"{setting} {text}")
        self.setting = setting
        self.text = text
