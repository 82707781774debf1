"""What keeps auscult from working, and what a person does about it: errors of database, ports and audit trail."""

TEXTS = {
    # The ledger's file
    "trouble.restore": "hãy dừng auscult, giữ lại sổ cái bị hỏng và khôi phục bản sao gần nhất:"
    " docs/howto/back-up-and-restore.md",
    "trouble.file_damaged": "sổ cái {path} bị hỏng ({name}); {restore}",
    "trouble.file_tables": "sổ cái {path} thiếu bảng hoặc cột của phiên bản này; `auscult doctor` cho biết phiên bản,"
    " `auscult db upgrade` sửa được ({name})",
    "trouble.file_permission": "sổ cái {path} không được phép mở; hãy trao tệp và thư mục của nó cho người dùng chạy"
    " auscult ({name})",
    "trouble.file_locked": "sổ cái {path} bị chương trình khác khóa lâu hơn thời gian chờ; hãy kết thúc chương trình"
    " đó: một việc sao chép, hoặc sqlite3 còn mở ({name})",
    "trouble.file_read_only": "không ghi được sổ cái {path}; hãy trao tệp và thư mục của nó cho người dùng chạy"
    " auscult, hoặc gắn đĩa ở chế độ cho phép ghi ({name})",
    "trouble.file_disk_fails": "không đọc hoặc ghi được sổ cái {path}: đĩa bị lỗi hoặc đã mất; hãy xem nhật ký của hệ"
    " thống ({name})",
    "trouble.file_disk_full": "sổ cái {path} không lớn thêm được: đĩa đã đầy; docs/howto/survive-a-full-disk.md"
    " ({name})",
    "trouble.file_not_opened": "không mở được sổ cái {path}: phải là một tệp trong thư mục của người dùng chạy"
    " auscult, và tiến trình phải còn mô tả tệp (`ulimit -n`) ({name})",
    "trouble.file_not_local": "không khóa được sổ cái {path}; data_dir phải nằm trên đĩa cục bộ, không phải ổ chia sẻ"
    " qua mạng ({name})",
    # The ledger's server
    "trouble.server_damaged": "cơ sở dữ liệu của sổ cái bị hỏng ({name}); {restore}",
    "trouble.server_standby": "cơ sở dữ liệu của sổ cái không cho ghi: đây là máy dự phòng, hoặc giao dịch chỉ được"
    " đọc; hãy nêu máy chính trong `database.url` ({name})",
    "trouble.server_disk_full": "cơ sở dữ liệu của sổ cái không lớn thêm được: đĩa đã đầy; hãy giải phóng chỗ nơi máy"
    " chủ lưu dữ liệu ({name})",
    "trouble.server_old": "cơ sở dữ liệu của sổ cái là PostgreSQL {found}, quá cũ; auscult cần PostgreSQL {oldest}"
    " trở lên",
    "trouble.server_full": "cơ sở dữ liệu của sổ cái không nhận thêm kết nối; hãy nâng max_connections, hoặc chạy ít"
    " tiến trình hơn ({name})",
    "trouble.server_rights": "cơ sở dữ liệu của sổ cái không cho người dùng của auscult truy cập các bảng; hãy cấp"
    " quyền: docs/howto/run-with-postgresql-and-redis.md ({name})",
    "trouble.server_tables": "cơ sở dữ liệu của sổ cái thiếu bảng hoặc cột của phiên bản này; `auscult doctor` cho biết"
    " phiên bản, `auscult db upgrade` sửa được ({name})",
    "trouble.server_tls": "không kết nối được cơ sở dữ liệu qua TLS ({name}); hãy kiểm tra sslmode, sslrootcert,"
    " sslcert và sslkey trong `database.url`, các tệp đó, chứng thư của máy chủ và những ai được phép vào",
    "trouble.server_login": "cơ sở dữ liệu từ chối đăng nhập ({name}); hãy kiểm tra người dùng trong `database.url`,"
    " mật khẩu (`database.password_file`) và những ai được pg_hba.conf cho vào",
    "trouble.server_no_database": "cơ sở dữ liệu không tồn tại ({name}); hãy tạo trên máy chủ, hoặc sửa tên trong"
    " `database.url`",
    "trouble.server_host": "không biết máy chủ của cơ sở dữ liệu ({name}); hãy sửa tên máy trong `database.url`, hoặc"
    " việc phân giải tên của máy này",
    "trouble.server_silent": "cơ sở dữ liệu không trả lời ({name}); hãy khởi động máy chủ, hoặc sửa tên máy và cổng"
    " trong `database.url`",
    "trouble.database": "không kết nối hoặc không ghi được cơ sở dữ liệu ({name}); hãy kiểm tra `database.url`, mật"
    " khẩu, máy chủ và đĩa của nó",
    # Its tables
    "trouble.no_tables": "cơ sở dữ liệu chưa có bảng của sổ cái; hãy chạy `auscult db upgrade`",
    "trouble.older_tables": "các bảng của sổ cái cũ hơn ({found}) so với phiên bản này ({ours}); hãy chạy `auscult db"
    " upgrade`",
    "trouble.newer_tables": "các bảng của sổ cái mới hơn ({found}) so với phiên bản auscult này ({ours}); hãy chạy"
    " phiên bản đã tạo ra chúng",
    # Ports
    "trouble.port": "{setting} = {port}: không lắng nghe được tại {host} ({reason}); {remedy}",
    "trouble.port_taken": "hãy kết thúc chương trình đang giữ cổng, có thể là một auscult khác, hoặc chọn cổng khác",
    "trouble.port_address": "địa chỉ này không phải của máy này; hãy nêu một địa chỉ của máy, hoặc 0.0.0.0 cho tất cả",
    "trouble.port_permission": "cổng dưới 1024 thuộc về hệ thống; hãy chọn cổng cao hơn, hoặc cấp quyền cho người"
    " dùng này (CAP_NET_BIND_SERVICE)",
    "trouble.port_handles": "tiến trình không còn mô tả tệp; hãy nâng giới hạn (`ulimit -n`)",
    "trouble.port_family": "máy này không dùng họ địa chỉ đó; hãy nêu một địa chỉ khác",
    "trouble.port_other": "hãy chọn cổng hoặc địa chỉ khác",
    "trouble.port_no_name": "không có địa chỉ nào mang tên này",
    "trouble.port_name": "hãy nêu một địa chỉ của máy này",
    # The audit trail
    "trouble.audit_not_written": "không ghi được {file}; hãy kiểm tra chủ sở hữu và đĩa của nó",
    "trouble.audit_disk_full": "đĩa chứa {file} đã đầy",
    "trouble.audit_waits": "{count} thông điệp kiểm toán chờ máy chủ syslog, thông điệp cũ nhất đã chờ {seconds} s",
}
