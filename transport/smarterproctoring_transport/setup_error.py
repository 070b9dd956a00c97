"""The error of a setting that no transport can be made with."""


class SetupError(Exception):
    """A setting of the transport that cannot work.

    Attributes:
        setting: The keyword in `TransportOptions`.
        text: What is wrong; it goes on where the setting's name ends, and holds no value.
    """

    def __init__(self, setting: str, text: str) -> None:
        super().__init__(f"{setting} {text}")
        self.setting = setting
        self.text = text
