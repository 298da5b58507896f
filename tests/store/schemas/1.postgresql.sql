CREATE TABLE address_claim (
	key VARCHAR(33) NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	holder VARCHAR(36) NOT NULL, 
	PRIMARY KEY (key)
);
CREATE INDEX ix_address_claim_holder ON address_claim (holder);
CREATE TABLE amphora (
	id VARCHAR(36) NOT NULL, 
	loadbalancer_id VARCHAR(36) NOT NULL, 
	host_id VARCHAR(36) NOT NULL, 
	role TEXT NOT NULL, 
	vip_group_id VARCHAR(36), 
	peer_port INTEGER, 
	applied_revision BIGINT, 
	fault TEXT, 
	late_revision BIGINT, 
	observed TEXT, 
	moving_to VARCHAR(36), 
	cached_zone TEXT, 
	compute_flavor TEXT, 
	created_at VARCHAR(19) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_amphora_host_id ON amphora (host_id);
CREATE INDEX ix_amphora_loadbalancer_id ON amphora (loadbalancer_id);
CREATE INDEX ix_amphora_vip_group_id ON amphora (vip_group_id);
CREATE TABLE availabilityzone (
	name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	availability_zone_profile_id VARCHAR(36) NOT NULL, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE INDEX ix_availabilityzone_profile_id ON availabilityzone (availability_zone_profile_id);
CREATE INDEX ix_availabilityzone_serial ON availabilityzone (serial);
CREATE TABLE availabilityzoneprofile (
	id VARCHAR(36) NOT NULL, 
	name TEXT NOT NULL, 
	provider_name TEXT NOT NULL, 
	availability_zone_data TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_availabilityzoneprofile_serial ON availabilityzoneprofile (serial);
CREATE TABLE container (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	creator_id VARCHAR(64) NOT NULL, 
	name TEXT, 
	type VARCHAR(20) NOT NULL, 
	created VARCHAR(26) NOT NULL, 
	updated VARCHAR(26) NOT NULL, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_container_project_id ON container (project_id);
CREATE INDEX ix_container_serial ON container (serial);
CREATE TABLE domain (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	description TEXT, 
	enabled BOOLEAN NOT NULL, 
	tags TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE flavor (
	id VARCHAR(36) NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	flavor_profile_id VARCHAR(36) NOT NULL, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE INDEX ix_flavor_flavor_profile_id ON flavor (flavor_profile_id);
CREATE INDEX ix_flavor_serial ON flavor (serial);
CREATE TABLE flavorprofile (
	id VARCHAR(36) NOT NULL, 
	name TEXT NOT NULL, 
	provider_name TEXT NOT NULL, 
	flavor_data TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_flavorprofile_serial ON flavorprofile (serial);
CREATE TABLE healthmonitor (
	id VARCHAR(36) NOT NULL, 
	name TEXT, 
	type TEXT, 
	delay BIGINT, 
	timeout BIGINT, 
	max_retries BIGINT, 
	max_retries_down BIGINT, 
	http_method TEXT, 
	url_path TEXT, 
	expected_codes TEXT, 
	admin_state_up BOOLEAN, 
	project_id TEXT, 
	pool_id VARCHAR(36), 
	provisioning_status TEXT, 
	operating_status TEXT, 
	created_at VARCHAR(19), 
	updated_at VARCHAR(19), 
	tags TEXT, 
	http_version TEXT, 
	domain_name TEXT, 
	loadbalancer_id VARCHAR(36), 
	serial BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (pool_id)
);
CREATE INDEX ix_healthmonitor_loadbalancer_id ON healthmonitor (loadbalancer_id, serial);
CREATE INDEX ix_healthmonitor_name ON healthmonitor (name);
CREATE INDEX ix_healthmonitor_pool_id ON healthmonitor (pool_id, serial);
CREATE INDEX ix_healthmonitor_project_id ON healthmonitor (project_id, serial);
CREATE INDEX ix_healthmonitor_serial ON healthmonitor (serial);
CREATE TABLE host (
	id VARCHAR(36) NOT NULL, 
	name TEXT NOT NULL, 
	state TEXT NOT NULL, 
	weight INTEGER NOT NULL, 
	certificate TEXT, 
	enrolment TEXT, 
	enrolment_until BIGINT, 
	epoch BIGINT NOT NULL, 
	lease_until BIGINT, 
	version TEXT, 
	zone TEXT, 
	networks TEXT, 
	instance VARCHAR(36), 
	address TEXT, 
	features TEXT, 
	addresses TEXT, 
	fault TEXT, 
	fault_until BIGINT, 
	created_at VARCHAR(19) NOT NULL, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE INDEX ix_host_enrolment ON host (enrolment);
CREATE INDEX ix_host_serial ON host (serial);
CREATE TABLE identity_revision (
	id SERIAL NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE key_manager_acl (
	owner_id VARCHAR(36) NOT NULL, 
	operation VARCHAR(10) NOT NULL, 
	project_access BOOLEAN NOT NULL, 
	users TEXT NOT NULL, 
	created VARCHAR(26) NOT NULL, 
	updated VARCHAR(26) NOT NULL, 
	PRIMARY KEY (owner_id, operation)
);
CREATE TABLE key_manager_consumer (
	owner_id VARCHAR(36) NOT NULL, 
	service VARCHAR(255) NOT NULL, 
	resource_type VARCHAR(255) NOT NULL, 
	resource VARCHAR(255) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	created VARCHAR(26) NOT NULL, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (owner_id, service, resource_type, resource)
);
CREATE TABLE l7policy (
	id VARCHAR(36) NOT NULL, 
	name TEXT, 
	description TEXT, 
	provisioning_status TEXT, 
	operating_status TEXT, 
	admin_state_up BOOLEAN, 
	project_id TEXT, 
	action TEXT, 
	listener_id VARCHAR(36), 
	redirect_pool_id VARCHAR(36), 
	redirect_url TEXT, 
	redirect_prefix TEXT, 
	position BIGINT, 
	created_at VARCHAR(19), 
	updated_at VARCHAR(19), 
	tags TEXT, 
	redirect_http_code BIGINT, 
	loadbalancer_id VARCHAR(36), 
	serial BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_l7policy_listener_id ON l7policy (listener_id, serial);
CREATE INDEX ix_l7policy_loadbalancer_id ON l7policy (loadbalancer_id, serial);
CREATE INDEX ix_l7policy_name ON l7policy (name);
CREATE INDEX ix_l7policy_project_id ON l7policy (project_id, serial);
CREATE INDEX ix_l7policy_redirect_pool_id ON l7policy (redirect_pool_id);
CREATE INDEX ix_l7policy_serial ON l7policy (serial);
CREATE TABLE l7rule (
	id VARCHAR(36) NOT NULL, 
	type TEXT, 
	compare_type TEXT, 
	key TEXT, 
	value TEXT, 
	invert BOOLEAN, 
	provisioning_status TEXT, 
	operating_status TEXT, 
	created_at VARCHAR(19), 
	updated_at VARCHAR(19), 
	project_id TEXT, 
	admin_state_up BOOLEAN, 
	tags TEXT, 
	loadbalancer_id VARCHAR(36), 
	l7policy_id VARCHAR(36), 
	serial BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_l7rule_l7policy_id ON l7rule (l7policy_id, serial);
CREATE INDEX ix_l7rule_loadbalancer_id ON l7rule (loadbalancer_id, serial);
CREATE INDEX ix_l7rule_project_id ON l7rule (project_id, serial);
CREATE INDEX ix_l7rule_serial ON l7rule (serial);
CREATE TABLE listener (
	id VARCHAR(36) NOT NULL, 
	name TEXT, 
	description TEXT, 
	provisioning_status TEXT, 
	operating_status TEXT, 
	admin_state_up BOOLEAN, 
	protocol TEXT, 
	protocol_port BIGINT, 
	connection_limit BIGINT, 
	default_tls_container_ref TEXT, 
	sni_container_refs TEXT, 
	project_id TEXT, 
	default_pool_id VARCHAR(36), 
	loadbalancer_id VARCHAR(36), 
	insert_headers TEXT, 
	created_at VARCHAR(19), 
	updated_at VARCHAR(19), 
	timeout_client_data BIGINT, 
	timeout_member_connect BIGINT, 
	timeout_member_data BIGINT, 
	timeout_tcp_inspect BIGINT, 
	tags TEXT, 
	client_ca_tls_container_ref TEXT, 
	client_authentication TEXT, 
	client_crl_container_ref TEXT, 
	allowed_cidrs TEXT, 
	tls_ciphers TEXT, 
	tls_versions TEXT, 
	alpn_protocols TEXT, 
	hsts_max_age BIGINT, 
	hsts_include_subdomains BOOLEAN, 
	hsts_preload BOOLEAN, 
	serial BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	logging TEXT, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_listener_default_pool_id ON listener (default_pool_id);
CREATE INDEX ix_listener_loadbalancer_id ON listener (loadbalancer_id, serial);
CREATE INDEX ix_listener_name ON listener (name);
CREATE INDEX ix_listener_project_id ON listener (project_id, serial);
CREATE INDEX ix_listener_serial ON listener (serial);
CREATE TABLE listener_statistics (
	listener_id VARCHAR(36) NOT NULL, 
	host_id VARCHAR(36) NOT NULL, 
	active_connections BIGINT NOT NULL, 
	bytes_in BIGINT NOT NULL, 
	bytes_out BIGINT NOT NULL, 
	request_errors BIGINT NOT NULL, 
	total_connections BIGINT NOT NULL, 
	PRIMARY KEY (listener_id, host_id)
);
CREATE TABLE loadbalancer (
	id VARCHAR(36) NOT NULL, 
	name TEXT, 
	description TEXT, 
	provisioning_status TEXT, 
	operating_status TEXT, 
	admin_state_up BOOLEAN, 
	project_id TEXT, 
	created_at VARCHAR(19), 
	updated_at VARCHAR(19), 
	vip_address TEXT, 
	vip_address_canonical TEXT, 
	vip_port_id VARCHAR(36), 
	vip_subnet_id VARCHAR(36), 
	vip_network_id VARCHAR(36), 
	vip_sg_ids TEXT, 
	additional_vips TEXT, 
	provider TEXT, 
	flavor_id VARCHAR(36), 
	vip_qos_policy_id VARCHAR(36), 
	tags TEXT, 
	availability_zone TEXT, 
	vip_vnic_type TEXT, 
	serial BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	fault TEXT, 
	logging TEXT, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_loadbalancer_availability_zone ON loadbalancer (availability_zone);
CREATE INDEX ix_loadbalancer_flavor_id ON loadbalancer (flavor_id);
CREATE INDEX ix_loadbalancer_name ON loadbalancer (name);
CREATE INDEX ix_loadbalancer_project_id ON loadbalancer (project_id, serial);
CREATE INDEX ix_loadbalancer_serial ON loadbalancer (serial);
CREATE TABLE loadbalancer_event (
	id VARCHAR(36) NOT NULL, 
	loadbalancer_id VARCHAR(36) NOT NULL, 
	loadbalancer_name TEXT, 
	project_id TEXT, 
	serial BIGINT NOT NULL, 
	touched BIGINT NOT NULL, 
	revision BIGINT, 
	created_at VARCHAR(23) NOT NULL, 
	action VARCHAR(8) NOT NULL, 
	resource VARCHAR(16) NOT NULL, 
	resource_id VARCHAR(36) NOT NULL, 
	resource_name TEXT, 
	attributes TEXT, 
	user_id VARCHAR(64), 
	user_name TEXT, 
	status TEXT, 
	how VARCHAR(8), 
	milliseconds INTEGER, 
	reason TEXT, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_loadbalancer_event_order ON loadbalancer_event (loadbalancer_id, serial);
CREATE INDEX ix_loadbalancer_event_project_id ON loadbalancer_event (project_id, touched);
CREATE INDEX ix_loadbalancer_event_touched ON loadbalancer_event (touched);
CREATE TABLE member (
	id VARCHAR(36) NOT NULL, 
	name TEXT, 
	operating_status TEXT, 
	provisioning_status TEXT, 
	admin_state_up BOOLEAN, 
	address TEXT, 
	address_canonical TEXT, 
	protocol_port BIGINT, 
	weight BIGINT, 
	backup BOOLEAN, 
	subnet_id VARCHAR(36), 
	project_id TEXT, 
	created_at VARCHAR(19), 
	updated_at VARCHAR(19), 
	monitor_address TEXT, 
	monitor_address_canonical TEXT, 
	monitor_port BIGINT, 
	tags TEXT, 
	vnic_type TEXT, 
	loadbalancer_id VARCHAR(36), 
	pool_id VARCHAR(36), 
	serial BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (pool_id, address_canonical, protocol_port)
);
CREATE INDEX ix_member_loadbalancer_id ON member (loadbalancer_id, serial);
CREATE INDEX ix_member_name ON member (name);
CREATE INDEX ix_member_operating_status ON member (loadbalancer_id, operating_status);
CREATE INDEX ix_member_pool_id ON member (pool_id, serial);
CREATE INDEX ix_member_project_id ON member (project_id, serial);
CREATE INDEX ix_member_revision ON member (loadbalancer_id, revision);
CREATE INDEX ix_member_serial ON member (serial);
CREATE TABLE member_check (
	id VARCHAR(36) NOT NULL, 
	loadbalancer_id VARCHAR(36) NOT NULL, 
	at VARCHAR(23) NOT NULL, 
	status TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_member_check_loadbalancer_id ON member_check (loadbalancer_id);
CREATE TABLE network (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	revision_number INTEGER NOT NULL, 
	created_at VARCHAR(20) NOT NULL, 
	updated_at VARCHAR(20) NOT NULL, 
	name TEXT NOT NULL, 
	admin_state_up BOOLEAN NOT NULL, 
	shared BOOLEAN NOT NULL, 
	is_external BOOLEAN NOT NULL, 
	is_default BOOLEAN NOT NULL, 
	port_security_enabled BOOLEAN NOT NULL, 
	mtu INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_network_name ON network (name);
CREATE INDEX ix_network_project_id ON network (project_id);
CREATE INDEX ix_network_serial ON network (serial);
CREATE TABLE part_statistics (
	id VARCHAR(36) NOT NULL, 
	host_id VARCHAR(36) NOT NULL, 
	loadbalancer_id VARCHAR(36) NOT NULL, 
	active_connections BIGINT NOT NULL, 
	bytes_in BIGINT NOT NULL, 
	bytes_out BIGINT NOT NULL, 
	request_errors BIGINT NOT NULL, 
	total_connections BIGINT NOT NULL, 
	PRIMARY KEY (id, host_id)
);
CREATE INDEX ix_part_statistics_loadbalancer_id ON part_statistics (loadbalancer_id);
CREATE TABLE pool (
	id VARCHAR(36) NOT NULL, 
	name TEXT, 
	description TEXT, 
	provisioning_status TEXT, 
	operating_status TEXT, 
	admin_state_up BOOLEAN, 
	protocol TEXT, 
	lb_algorithm TEXT, 
	session_persistence TEXT, 
	project_id TEXT, 
	created_at VARCHAR(19), 
	updated_at VARCHAR(19), 
	loadbalancer_id VARCHAR(36), 
	tags TEXT, 
	tls_container_ref TEXT, 
	ca_tls_container_ref TEXT, 
	crl_container_ref TEXT, 
	tls_enabled BOOLEAN, 
	tls_ciphers TEXT, 
	tls_versions TEXT, 
	alpn_protocols TEXT, 
	serial BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_pool_loadbalancer_id ON pool (loadbalancer_id, serial);
CREATE INDEX ix_pool_name ON pool (name);
CREATE INDEX ix_pool_project_id ON pool (project_id, serial);
CREATE INDEX ix_pool_serial ON pool (serial);
CREATE TABLE qos_policy (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	revision_number INTEGER NOT NULL, 
	created_at VARCHAR(20) NOT NULL, 
	updated_at VARCHAR(20) NOT NULL, 
	name TEXT NOT NULL, 
	shared BOOLEAN NOT NULL, 
	is_default BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_qos_policy_name ON qos_policy (name);
CREATE INDEX ix_qos_policy_project_id ON qos_policy (project_id);
CREATE INDEX ix_qos_policy_serial ON qos_policy (serial);
CREATE TABLE quota (
	project_id TEXT NOT NULL, 
	loadbalancer BIGINT, 
	listener BIGINT, 
	member BIGINT, 
	pool BIGINT, 
	healthmonitor BIGINT, 
	l7policy BIGINT, 
	l7rule BIGINT, 
	PRIMARY KEY (project_id)
);
CREATE TABLE revocation (
	id SERIAL NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	subject VARCHAR(64) NOT NULL, 
	revision BIGINT NOT NULL, 
	forgotten_at FLOAT, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_revocation_kind_subject ON revocation (kind, subject);
CREATE TABLE role (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	description TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE router (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	revision_number INTEGER NOT NULL, 
	created_at VARCHAR(20) NOT NULL, 
	updated_at VARCHAR(20) NOT NULL, 
	name TEXT NOT NULL, 
	admin_state_up BOOLEAN NOT NULL, 
	external_gateway_info TEXT, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_router_name ON router (name);
CREATE INDEX ix_router_project_id ON router (project_id);
CREATE INDEX ix_router_serial ON router (serial);
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	database_id VARCHAR(36) NOT NULL
);
CREATE TABLE secret (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	creator_id VARCHAR(64) NOT NULL, 
	name TEXT, 
	secret_type VARCHAR(80) NOT NULL, 
	algorithm TEXT, 
	bit_length INTEGER, 
	mode TEXT, 
	expiration VARCHAR(26), 
	content_type VARCHAR(40), 
	sealed TEXT, 
	created VARCHAR(26) NOT NULL, 
	updated VARCHAR(26) NOT NULL, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_secret_project_id ON secret (project_id);
CREATE INDEX ix_secret_serial ON secret (serial);
CREATE TABLE security_group (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	revision_number INTEGER NOT NULL, 
	created_at VARCHAR(20) NOT NULL, 
	updated_at VARCHAR(20) NOT NULL, 
	name TEXT NOT NULL, 
	stateful BOOLEAN NOT NULL, 
	is_default BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_security_group_name ON security_group (name);
CREATE INDEX ix_security_group_project_id ON security_group (project_id);
CREATE INDEX ix_security_group_serial ON security_group (serial);
CREATE TABLE server_key (
	kind VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	sealed TEXT NOT NULL, 
	PRIMARY KEY (kind, number)
);
CREATE TABLE vip_group (
	id VARCHAR(36) NOT NULL, 
	network TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	first_host_id VARCHAR(36) NOT NULL, 
	second_host_id VARCHAR(36) NOT NULL, 
	first_address TEXT NOT NULL, 
	second_address TEXT NOT NULL, 
	first_interface TEXT NOT NULL, 
	second_interface TEXT NOT NULL, 
	first_state TEXT, 
	second_state TEXT, 
	yielding_host_id VARCHAR(36), 
	yielding_until BIGINT, 
	failover_host_id VARCHAR(36), 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (network, number)
);
CREATE INDEX ix_vip_group_first_host_id ON vip_group (first_host_id);
CREATE INDEX ix_vip_group_second_host_id ON vip_group (second_host_id);
CREATE TABLE container_secret (
	container_id VARCHAR(36) NOT NULL, 
	secret_id VARCHAR(36) NOT NULL, 
	name TEXT, 
	position INTEGER NOT NULL, 
	PRIMARY KEY (container_id, secret_id), 
	FOREIGN KEY(container_id) REFERENCES container (id), 
	FOREIGN KEY(secret_id) REFERENCES secret (id)
);
CREATE INDEX ix_container_secret_secret_id ON container_secret (secret_id);
CREATE TABLE identity_user (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	domain_id VARCHAR(64) NOT NULL, 
	description TEXT, 
	email TEXT, 
	default_project_id VARCHAR(64), 
	enabled BOOLEAN NOT NULL, 
	password TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (domain_id, name), 
	FOREIGN KEY(domain_id) REFERENCES domain (id)
);
CREATE TABLE port (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	revision_number INTEGER NOT NULL, 
	created_at VARCHAR(20) NOT NULL, 
	updated_at VARCHAR(20) NOT NULL, 
	name TEXT NOT NULL, 
	network_id VARCHAR(36) NOT NULL, 
	admin_state_up BOOLEAN NOT NULL, 
	mac_address VARCHAR(17) NOT NULL, 
	device_id VARCHAR(255) NOT NULL, 
	device_owner VARCHAR(255) NOT NULL, 
	security_groups TEXT NOT NULL, 
	allowed_address_pairs TEXT NOT NULL, 
	qos_policy_id VARCHAR(36), 
	vnic_type VARCHAR(20) NOT NULL, 
	port_security_enabled BOOLEAN NOT NULL, 
	is_vip BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (network_id, mac_address), 
	FOREIGN KEY(network_id) REFERENCES network (id)
);
CREATE INDEX ix_port_device_id ON port (device_id);
CREATE INDEX ix_port_name ON port (name);
CREATE INDEX ix_port_network_id ON port (network_id);
CREATE INDEX ix_port_project_id ON port (project_id);
CREATE INDEX ix_port_serial ON port (serial);
CREATE TABLE project (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	domain_id VARCHAR(64) NOT NULL, 
	parent_id VARCHAR(64) NOT NULL, 
	description TEXT, 
	enabled BOOLEAN NOT NULL, 
	tags TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (domain_id, name), 
	FOREIGN KEY(domain_id) REFERENCES domain (id)
);
CREATE TABLE qos_rule (
	id VARCHAR(36) NOT NULL, 
	qos_policy_id VARCHAR(36) NOT NULL, 
	type VARCHAR(20) NOT NULL, 
	direction VARCHAR(7), 
	max_kbps INTEGER, 
	max_burst_kbps INTEGER, 
	min_kbps INTEGER, 
	dscp_mark INTEGER, 
	serial BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(qos_policy_id) REFERENCES qos_policy (id)
);
CREATE INDEX ix_qos_rule_qos_policy_id ON qos_rule (qos_policy_id);
CREATE TABLE security_group_rule (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	revision_number INTEGER NOT NULL, 
	created_at VARCHAR(20) NOT NULL, 
	updated_at VARCHAR(20) NOT NULL, 
	security_group_id VARCHAR(36) NOT NULL, 
	direction VARCHAR(7) NOT NULL, 
	ethertype VARCHAR(4) NOT NULL, 
	protocol VARCHAR(40), 
	port_range_min INTEGER, 
	port_range_max INTEGER, 
	remote_ip_prefix VARCHAR(64), 
	remote_group_id VARCHAR(36), 
	PRIMARY KEY (id), 
	FOREIGN KEY(security_group_id) REFERENCES security_group (id), 
	FOREIGN KEY(remote_group_id) REFERENCES security_group (id)
);
CREATE INDEX ix_security_group_rule_project_id ON security_group_rule (project_id);
CREATE INDEX ix_security_group_rule_remote_group_id ON security_group_rule (remote_group_id);
CREATE INDEX ix_security_group_rule_security_group_id ON security_group_rule (security_group_id);
CREATE INDEX ix_security_group_rule_serial ON security_group_rule (serial);
CREATE TABLE subnet (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	revision_number INTEGER NOT NULL, 
	created_at VARCHAR(20) NOT NULL, 
	updated_at VARCHAR(20) NOT NULL, 
	name TEXT NOT NULL, 
	network_id VARCHAR(36) NOT NULL, 
	ip_version INTEGER NOT NULL, 
	cidr VARCHAR(64) NOT NULL, 
	gateway_ip VARCHAR(64), 
	allocation_pools TEXT NOT NULL, 
	enable_dhcp BOOLEAN NOT NULL, 
	dns_nameservers TEXT NOT NULL, 
	host_routes TEXT NOT NULL, 
	ipv6_address_mode VARCHAR(20), 
	ipv6_ra_mode VARCHAR(20), 
	is_vouched BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(network_id) REFERENCES network (id)
);
CREATE INDEX ix_subnet_name ON subnet (name);
CREATE INDEX ix_subnet_network_id ON subnet (network_id);
CREATE INDEX ix_subnet_project_id ON subnet (project_id);
CREATE INDEX ix_subnet_serial ON subnet (serial);
CREATE TABLE application_credential (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	user_id VARCHAR(64) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	description TEXT, 
	secret TEXT NOT NULL, 
	roles TEXT NOT NULL, 
	expires_at FLOAT, 
	unrestricted BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (user_id, name), 
	FOREIGN KEY(user_id) REFERENCES identity_user (id), 
	FOREIGN KEY(project_id) REFERENCES project (id)
);
CREATE INDEX ix_application_credential_project_id ON application_credential (project_id);
CREATE TABLE fixed_ip (
	port_id VARCHAR(36) NOT NULL, 
	position INTEGER NOT NULL, 
	subnet_id VARCHAR(36) NOT NULL, 
	ip_address VARCHAR(64) NOT NULL, 
	sort_key VARCHAR(32) NOT NULL, 
	PRIMARY KEY (port_id, position), 
	UNIQUE (subnet_id, ip_address), 
	FOREIGN KEY(port_id) REFERENCES port (id), 
	FOREIGN KEY(subnet_id) REFERENCES subnet (id)
);
CREATE INDEX ix_fixed_ip_subnet_id_sort_key ON fixed_ip (subnet_id, sort_key);
CREATE TABLE floating_ip (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	revision_number INTEGER NOT NULL, 
	created_at VARCHAR(20) NOT NULL, 
	updated_at VARCHAR(20) NOT NULL, 
	floating_network_id VARCHAR(36) NOT NULL, 
	floating_ip_address VARCHAR(64) NOT NULL, 
	floating_port_id VARCHAR(36) NOT NULL, 
	port_id VARCHAR(36), 
	fixed_ip_address VARCHAR(64), 
	PRIMARY KEY (id), 
	UNIQUE (floating_network_id, floating_ip_address), 
	UNIQUE (port_id, fixed_ip_address), 
	FOREIGN KEY(floating_network_id) REFERENCES network (id), 
	FOREIGN KEY(floating_port_id) REFERENCES port (id), 
	FOREIGN KEY(port_id) REFERENCES port (id)
);
CREATE INDEX ix_floating_ip_port_id ON floating_ip (port_id);
CREATE INDEX ix_floating_ip_project_id ON floating_ip (project_id);
CREATE INDEX ix_floating_ip_serial ON floating_ip (serial);
CREATE TABLE role_assignment (
	user_id VARCHAR(64) NOT NULL, 
	scope VARCHAR(7) NOT NULL, 
	scope_id VARCHAR(64) NOT NULL, 
	role_id VARCHAR(64) NOT NULL, 
	PRIMARY KEY (user_id, scope, scope_id, role_id), 
	FOREIGN KEY(user_id) REFERENCES identity_user (id), 
	FOREIGN KEY(role_id) REFERENCES role (id)
);
CREATE INDEX ix_role_assignment_scope_id ON role_assignment (scope_id);
